#!/usr/bin/env python3
"""Runs the image like a container runtime: with its user and command, a read-only root file system and a network
namespace of its own.

    unshare --mount --net image.py ROOT CONFIG REDIS

ROOT is the root file system of the image, CONFIG the output of `buildah inspect`, and REDIS the program redis-server.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

root = pathlib.Path(sys.argv[1])
config = json.loads(pathlib.Path(sys.argv[2]).read_text())["Docker"]["config"]
redis_server = sys.argv[3]
user, group = (int(part) for part in config["User"].split(":"))
SERVICE_TOKEN = "a-token-of-the-check-of-the-image"
# The maximum duration of each, in seconds.
COMMAND_TIMEOUT = 30
STARTUP_TIMEOUT = 30
SHUTDOWN_TIMEOUT = 30


def say(text):
    print(f"image: {text}", flush=True)


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def loopback_up():
    with socket.socket() as handle:
        # SIOCSIFFLAGS: up and running.
        fcntl.ioctl(handle, 0x8914, struct.pack("16sh14x", b"lo", 0x41))


def prepare(volume):
    """Adds to the root file system what a container runtime adds, and makes it read-only."""
    kept = (root / "data").stat()
    assert (kept.st_uid, kept.st_gid) == (user, group), "the folder of the volume does not belong to the user of the image"
    os.chown(volume, kept.st_uid, kept.st_gid)
    os.chmod(volume, kept.st_mode & 0o7777)
    for folder in ("proc", "dev"):
        (root / folder).mkdir(exist_ok=True)
    for device in ("null", "random", "urandom"):
        (root / "dev" / device).touch()
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", root, root)
    run("mount", "--bind", "/proc", root / "proc")
    run("mount", "--bind", volume, root / "data")
    for device in ("null", "random", "urandom"):
        run("mount", "--bind", f"/dev/{device}", root / "dev" / device)
    run("mount", "--options", "remount,bind,ro", root)


def start(arguments, settings, **options):
    """Starts a command of the image, with only the environment of the image and these settings."""
    environment = dict(variable.split("=", 1) for variable in config["Env"]) | settings
    program = ["setpriv", "--no-new-privs", "chroot", f"--userspec={user}:{group}", "--groups=", root]
    names = [f"{name}={value}" for name, value in environment.items()]
    return subprocess.Popen([*program, *config["Entrypoint"], *arguments], env=dict(n.split("=", 1) for n in names), **options)


def finish(arguments, settings, **options):
    process = start(arguments, settings, **options)
    output = process.communicate(timeout=COMMAND_TIMEOUT)
    return process.returncode, output


def get(path, port=5000, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status, answer.read().decode()


def wait_for(what, is_reached):
    end = time.monotonic() + STARTUP_TIMEOUT
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if is_reached():
                return
        time.sleep(0.05)
    sys.exit(f"image: timed out after {STARTUP_TIMEOUT} s: {what}")


@contextlib.contextmanager
def running_service(settings):
    process = start(config["Cmd"], settings)
    try:
        wait_for("readiness", lambda: get("/health/ready")[0] == 200)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(timeout=SHUTDOWN_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert status == 0, f"the service exited with {status} after SIGTERM"


def status_of(process):
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def a_container_runs_unprivileged_with_a_read_only_root(settings, volume):
    code, _ = finish(["healthcheck"], settings, stderr=subprocess.DEVNULL)
    assert code == 1, f"without a running service, the health check exited with {code}"
    with running_service(settings) as process:
        state = status_of(process)
        assert set(state["Uid"]) == {str(user)} and user >= 10000, state["Uid"]
        assert set(state["Gid"]) == {str(group)} and state["Groups"] == [], state["Groups"]
        assert int(state["CapEff"][0], 16) == int(state["CapPrm"][0], 16) == 0, state["CapEff"]
        assert state["NoNewPrivs"] == ["1"]
        limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 ", limits, re.M), "a crash would write the memory to disk"
        notice = (root / "NOTICE").read_text()
        assert "actix-web v" in notice and "Apache License" in notice, "NOTICE lacks licences of linked packages"
        assert config["Healthcheck"]["Test"] == ["CMD", "/user-service", "healthcheck"], config["Healthcheck"]
        code, _ = finish(config["Healthcheck"]["Test"][2:], settings)
        assert code == 0, f"the health check exited with {code}"
        body = json.dumps({"username": "ann", "email": "ann@example.org"}).encode()
        headers = {"X-API-Token": SERVICE_TOKEN, "Content-Type": "application/json"}
        request = urllib.request.Request("http://127.0.0.1:5000/v1/users", body, headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201
        database = (pathlib.Path(volume) / "users.db").stat()
        assert database.st_uid == user
        try:
            (root / "written").touch()
        except OSError as error:
            say(f"the root file system cannot be written: {error.strerror}")
        else:
            raise AssertionError("the root file system can be written")
    with running_service(settings):
        found = get("/v1/users/by-username/ann", **{"X-API-Token": SERVICE_TOKEN})
        assert found[0] == 200, "after a restart, the user is not in the volume"
    say("serve, healthcheck, SIGTERM and a restart on the same volume work")


def the_labels_describe_the_image():
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    expected = {"title": "user-service", "licenses": "MIT", "revision": "0123abc"}
    assert labels.items() >= expected.items(), labels
    assert {"created", "description", "source", "version"} <= labels.keys(), labels
    say("the labels are those of the OCI specification")


def the_allocator_is_mimalloc(settings):
    code, (_, output) = finish(["--version"], settings | {"MIMALLOC_VERBOSE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert code == 0 and "mimalloc" in output, output
    say("the allocator is mimalloc")


def start_name_server(name):
    """Starts a name server that resolves one name, to 127.0.0.1."""
    wanted = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def answer():
        while True:
            question, client = server.recvfrom(512)
            end = question.index(b"\0", 12) + 5
            kind = struct.unpack("!H", question[end - 4 : end - 2])[0]
            known = question[12 : end - 4].lower() == wanted
            found = known and kind == 1
            flags = 0x8180 if known else 0x8183
            header = question[:2] + struct.pack("!HHHHH", flags, 1, int(found), 0, 0)
            record = b"\xc0\x0c" + struct.pack("!HHIH4B", 1, 1, 60, 4, 127, 0, 0, 1) if found else b""
            server.sendto(header + question[12:end] + record, client)

    threading.Thread(target=answer, daemon=True).start()


@contextlib.contextmanager
def redis_with_tls(folder, *names):
    alternatives = ",".join(f"DNS:{name}" for name in names)
    run(
        *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        *["-subj", "/CN=check", "-addext", f"subjectAltName={alternatives}", "-addext", "basicConstraints=critical,CA:FALSE"],
        *["-keyout", "key.pem", "-out", "ca.pem"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    options = "--port 0 --tls-port 6380 --tls-cert-file ca.pem --tls-key-file key.pem --tls-ca-cert-file ca.pem --tls-auth-clients no --bind 127.0.0.1 --appendonly no --save".split()
    process = subprocess.Popen([redis_server, *options, ""], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=SHUTDOWN_TIMEOUT)


def host_names_are_resolved_and_certificates_verified(settings, volume):
    name = "cache.internal.example"
    start_name_server(name)
    with tempfile.TemporaryDirectory() as folder, redis_with_tls(folder, name, "localhost"):
        shutil.copy(pathlib.Path(folder) / "ca.pem", pathlib.Path(volume) / "ca.pem")
        os.chmod(pathlib.Path(volume) / "ca.pem", 0o644)
        is_connected = lambda: "\nuser_cache_link_up 1\n" in get("/metrics")[1]
        for host, variable in [(name, "REDIS_CA_FILE"), ("localhost", "SSL_CERT_FILE")]:
            with_redis = {
                "DATABASE_URI": "sqlite:////data/users.db",
                "REDIS_URL": f"rediss://{host}:6380/0",
                variable: "/data/ca.pem",
            }
            with running_service(settings | with_redis):
                wait_for(f"a connection to rediss://{host}, with the certificate in {variable}", is_connected)
                say(f"resolves {host}, and trusts its certificate by {variable}")


def main():
    loopback_up()
    with tempfile.TemporaryDirectory() as volume:
        prepare(volume)
        settings = {"JWT_SECRET_KEY": "a-key-of-the-check-of-the-image-long-enough", "ALLOWED_API_TOKENS": SERVICE_TOKEN, "LOG_LEVEL": "warn"}
        a_container_runs_unprivileged_with_a_read_only_root(settings, volume)
        the_labels_describe_the_image()
        the_allocator_is_mimalloc(settings)
        host_names_are_resolved_and_certificates_verified(settings, volume)
        # All mounts end with this namespace, but the folder cannot be removed while it is mounted.
        run("umount", root / "data")


main()
