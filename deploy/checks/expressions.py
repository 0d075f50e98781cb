#!/usr/bin/env python3
"""Evaluates each expression of the dashboard and the rules in a Prometheus that scrapes the running service.

    expressions.py SERVICE   SERVICE is the program; uses the servers of TEST_DATABASE_URI and TEST_REDIS_URL
"""

import contextlib
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pg8000.native
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
SERVICE_TOKEN = "a-token-of-the-check-of-expressions"
# The maximum duration of each wait, in seconds.
STARTUP_TIMEOUT = 60
SHUTDOWN_TIMEOUT = 60
# The number of scrapes, one per second, before the expressions are evaluated. rate() needs two.
SCRAPES = 8
# Expressions with these parts may have an empty result, for the reason given.
EMPTY = {
    'outcome="error"': "no operation of a store has failed",
    'status=~"5.."}[1m])) > 0.05': "no write has failed",
    "absent(": "the service is running",
    "event_relay_": "no message broker is set",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, body=None, method=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def wait_for(what, is_reached):
    end = time.monotonic() + STARTUP_TIMEOUT
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if is_reached():
                return
        time.sleep(0.1)
    sys.exit(f"expressions: timed out after {STARTUP_TIMEOUT} s: {what}")


@contextlib.contextmanager
def database(uri):
    """Creates a database for this check on the server with this URL."""
    parts = urllib.parse.urlsplit(uri)
    plain = lambda text: None if text is None else urllib.parse.unquote(text)
    server = dict(user=plain(parts.username) or "postgres", password=plain(parts.password), host=parts.hostname, port=parts.port or 5432)
    name = f"deploy_check_{secrets.token_hex(6)}"
    connection = pg8000.native.Connection(database=plain(parts.path.strip("/")) or "postgres", **server)
    connection.run(f"CREATE DATABASE {name}")
    try:
        yield parts._replace(path=f"/{name}").geturl()
    finally:
        connection.run(f"DROP DATABASE {name} WITH (FORCE)")
        connection.close()


@contextlib.contextmanager
def running(command, ready, **options):
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            wait_for(f"readiness of {command[0]}", lambda: process.poll() is not None or ready())
            if process.poll() is not None:
                output.seek(0)
                sys.exit(f"expressions: {command[0]} ended: {output.read().decode()}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=SHUTDOWN_TIMEOUT)


@contextlib.contextmanager
def traffic(url):
    """Sends requests until the context ends: creates, reads, changes and lists users, reads a missing one,
    and tries to log in."""
    ending = threading.Event()
    headers = {"X-API-Token": SERVICE_TOKEN, "Content-Type": "application/json"}

    def send_requests():
        number = 0
        while not ending.is_set():
            number += 1
            body = {"username": f"user.{number}", "email": f"user.{number}@example.org"}
            _, answer = ask(f"{url}/v1/users", body, **headers)
            path = f"{url}/v1/users/{json.loads(answer)['id']}"
            for _ in range(4):
                ask(path, **headers)
            ask(path, {"profile": {"nickname": "N"}}, "PATCH", **headers | {"Content-Type": "application/merge-patch+json"})
            ask(f"{url}/v1/users/by-username/nobody", **headers)
            ask(f"{url}/v1/users?limit=2", **headers)
            ask(f"{url}/v1/credentials/verify", {"username": body["username"], "password": "wrong"}, **headers)
            time.sleep(0.02)

    thread = threading.Thread(target=send_requests)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def write_fast_configuration(folder, target):
    """Writes the configuration of deploy/ with intervals of one second."""
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
    (folder / "rules.yaml").write_text(yaml.dump(rules))
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [target]}]
    (folder / "prometheus.yml").write_text(yaml.dump(config))


def dashboard_expressions(node):
    if isinstance(node, dict):
        for name, member in node.items():
            if name == "expr":
                yield member
            else:
                yield from dashboard_expressions(member)
    elif isinstance(node, list):
        for item in node:
            yield from dashboard_expressions(item)


def expressions():
    dashboard = json.loads((DEPLOY / "grafana/user-service.json").read_text())
    for expression in dashboard_expressions(dashboard):
        yield "dashboard", expression.replace("$instance", ".*").replace("$__rate_interval", "5s")
    for group in yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("record") or rule.get("alert"), rule["expr"]


def with_bool_comparisons(expression):
    """Makes comparisons return 0 or 1, so that a false comparison differs from one without any series."""
    return re.sub(r"(?<=\s)(>=|<=|==|!=|>|<)(?=\s)(?! bool)", r"\1 bool", expression)


def main():
    service = sys.argv[1]
    port, prometheus_port = free_port(), free_port()
    url, prometheus = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{prometheus_port}"
    faults, expected_empty = [], 0

    def query(expression):
        """Returns the series of an expression, and the error. One of them is None."""
        status, answer = ask(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        answer = json.loads(answer)
        return (answer["data"]["result"], None) if status == 200 else (None, answer["error"])

    def has_series(expression):
        """Whether a query returns series. A query error counts as none."""
        return bool(query(expression)[0])

    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = {
            "JWT_SECRET_KEY": secrets.token_hex(32),
            "ALLOWED_API_TOKENS": SERVICE_TOKEN,
            "DATABASE_URI": stack.enter_context(database(os.environ["TEST_DATABASE_URI"])),
            "REDIS_URL": os.environ["TEST_REDIS_URL"],
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "LOG_LEVEL": "warn",
        }
        ready = lambda: ask(f"{url}/health/ready")[0] == 200
        stack.enter_context(running([service, "serve"], ready, env=environment, cwd=folder))
        write_fast_configuration(folder, f"127.0.0.1:{port}")
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{prometheus_port}", "--log.level=warn"]
        ready = lambda: ask(f"{prometheus}/-/ready")[0] == 200
        stack.enter_context(running(command, ready))
        # Without a consumer, the metrics of erasures have no series.
        ask(f"{url}/v1/erasure-consumers/check", method="PUT", **{"X-API-Token": SERVICE_TOKEN})
        stack.enter_context(traffic(url))
        # One scrape more, because the first one may come before anything was counted.
        enough = f'count_over_time(http_server_request_duration_seconds_count{{method="PATCH",status="200"}}[1h]) > {SCRAPES}'
        wait_for("enough scrapes", lambda: has_series(enough) and has_series("erasures_pending"))
        asked = 0
        for origin, expression in expressions():
            asked += 1
            series, error = query(with_bool_comparisons(expression))
            if error:
                faults.append(f"{origin}: {error}: {expression}")
            elif not series:
                reason = next((EMPTY[part] for part in EMPTY if part in expression), None)
                if reason is None:
                    faults.append(f"{origin}: no series for {expression}")
                else:
                    expected_empty += 1
        known = query('count({__name__=~".+", job="user-service"})')[0][0]["value"][1]
    for fault in faults:
        print(f"expressions: {' '.join(fault.split())}", file=sys.stderr)
    print(f"expressions: {asked} expressions evaluated over {known} series, {len(faults)} wrong, {expected_empty} without series, as expected")
    sys.exit(bool(faults) or asked < 60)


main()
