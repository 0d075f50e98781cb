#!/usr/bin/env python3
"""Checks the files of deploy/ against each other and against the service.

    manifests.py check SERVICE RENDERED...   SERVICE is the program, RENDERED the manifests of the overlays
    manifests.py compose RENDERED            RENDERED is compose.yaml as docker-compose renders it
    manifests.py rule                        prints the Kubernetes rule with the content of prometheus/rules.yaml
"""

import base64
import math
import pathlib
import re
import secrets
import subprocess
import sys

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
# The default max_connections of PostgreSQL, 100, without those reserved for superusers.
CONNECTIONS = 97
# Variables that affect the service but are not its own settings.
NOT_OURS = {"PATH", "SQLITE_TMPDIR", "SSL_CERT_FILE"}

faults = []


def fault(text):
    faults.append(text)


def load(path):
    return yaml.safe_load((DEPLOY / path).read_text())


def prometheus_rule():
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "user-service", "labels": {"app.kubernetes.io/name": "user-service"}},
        "spec": load("prometheus/rules.yaml"),
    }


def print_rule():
    class Blocks(yaml.SafeDumper):
        pass

    def text(dumper, value):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Blocks.add_representer(str, text)
    print("# Generated from deploy/prometheus/rules.yaml by `make alerts`. Do not edit.")
    print(yaml.dump(prometheus_rule(), Dumper=Blocks, sort_keys=False, width=1000), end="")


def check_rule():
    if load("kubernetes/components/monitoring/prometheus-rule.yaml") != prometheus_rule():
        fault("the Kubernetes rule is not what prometheus/rules.yaml says: make alerts")


def headings(path):
    lines = path.read_text().splitlines()
    titles = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def check_alerts():
    alerts = {r["alert"]: r for g in load("prometheus/rules.yaml")["groups"] for r in g["rules"] if "alert" in r}
    anchors = headings(ROOT / "docs/runbook.md")
    used = set()
    for name, rule in alerts.items():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        used.add(anchor)
        if page != "docs/runbook.md" or anchor not in anchors:
            fault(f"{name}: docs/runbook.md has no section {anchor}")
        if name not in (ROOT / "docs/runbook.md").read_text():
            fault(f"{name}: docs/runbook.md does not name it")
        if rule["labels"].get("severity") not in {"page", "ticket"}:
            fault(f"{name}: its severity is neither page nor ticket")
    tests = [t for test in load("prometheus/rules_test.yaml")["tests"] for t in test["alert_rule_test"]]
    for name in alerts:
        fires = [bool(t["exp_alerts"]) for t in tests if t["alertname"] == name]
        if True not in fires:
            fault(f"{name}: no test sees it fire")
        # Each alert also needs a test in which it does not fire, at least for a moment.
        if False not in fires:
            fault(f"{name}: no test sees it silent")
    memory = next(re.search(r"([\d.]+) \* (\d+) \* 1024 \* 1024", r["expr"]) for r in alerts.values() if "resident_memory" in r["expr"])
    return int(memory[2])


def known_variables():
    text = (ROOT / "crates/app/src/settings/variables.rs").read_text()
    return set(re.findall(r'^\s*(?:(?:plain|secret|with_default)\()?"([A-Z][A-Z0-9_]+)",', text, re.M))


def check_variables(where, names):
    for name in sorted(set(names) - known_variables() - NOT_OURS):
        fault(f"{where}: the service knows no variable {name}")


def check_settings(service, where, environment):
    done = subprocess.run([service, "check-settings"], env=environment, cwd="/", capture_output=True, text=True)
    if done.returncode != 0:
        fault(f"{where}: {done.stderr.strip()}")


def megabytes(quantity):
    return int(re.fullmatch(r"(\d+)Mi", quantity)[1])


def most_connections(deployment, replicas, settings, settings_of_job):
    """Returns the largest number of database connections during a rollout, and a description of their owners."""
    # A replica is stopped once another has been ready for minReadySeconds. It keeps its connections until it has ended.
    ending = math.ceil(deployment["template"]["spec"]["terminationGracePeriodSeconds"] / max(deployment["minReadySeconds"], 1))
    ending = min(ending, replicas)
    pods = replicas + deployment["strategy"]["rollingUpdate"]["maxSurge"] + ending
    # One connection more than the setting is for the outbox poller. The Job uses one more for the steps of a migration.
    each, of_job = (int(of["DATABASE_MAX_CONNECTIONS"]) + 1 for of in (settings, settings_of_job))
    of_job += 1
    return pods * each + of_job, f"{pods} replicas, {ending} of them ending, and the Job"


def check_manifests(service, path, alerted_memory):
    where = pathlib.Path(path).stem
    documents = [d for d in yaml.safe_load_all(pathlib.Path(path).read_text()) if d]
    named = {(d["kind"], d["metadata"]["name"]): d for d in documents}
    deployment = named["Deployment", "user-service"]
    pods = [deployment["spec"]["template"]["spec"], named["Job", "user-service-migrate"]["spec"]["template"]["spec"]]
    environments = []
    for pod in pods:
        container = pod["containers"][0]
        environment = {}
        for source in container["envFrom"]:
            if "configMapRef" in source:
                environment |= named["ConfigMap", source["configMapRef"]["name"]]["data"]
            elif ("Secret", source["secretRef"]["name"]) in named:
                data = named["Secret", source["secretRef"]["name"]]["data"]
                environment |= {name: base64.b64decode(value).decode() for name, value in data.items()}
            else:
                # A secret that is not among the manifests: the one that docs/deploying.md tells the reader to create.
                environment |= {
                    "JWT_SECRET_KEY": secrets.token_hex(32),
                    "ALLOWED_API_TOKENS": secrets.token_hex(32),
                    "DATABASE_URI": "postgresql://users@postgres:5432/users",
                    "REDIS_URL": "redis://redis:6379/0",
                }
        environment |= {variable["name"]: variable["value"] for variable in container.get("env", [])}
        check_variables(where, environment)
        check_settings(service, where, environment)
        environments.append(environment)
    settings, settings_of_job = environments
    pod = pods[0]
    container = pod["containers"][0]
    ending = int(settings["SHUTDOWN_DELAY_SECONDS"]) + int(settings["SHUTDOWN_GRACE_SECONDS"])
    if pod["terminationGracePeriodSeconds"] < ending + 5:
        fault(f"{where}: terminationGracePeriodSeconds leaves no room for an ending of {ending} s")
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    if ports != {"http": int(settings.get("PORT", 5000)), "management": int(settings["MANAGEMENT_PORT"])}:
        fault(f"{where}: the ports are not those of the settings: {ports}")
    if megabytes(container["resources"]["limits"]["memory"]) != alerted_memory:
        fault(f"{where}: the memory's limit is not the one that UserServiceMemoryHigh knows, {alerted_memory} MiB")
    if megabytes(container["resources"]["requests"]["memory"]) < int(settings["CACHE_MEMORY_MB"]) + 64:
        fault(f"{where}: the memory that is asked for is mostly the cache's")
    autoscaler = named.get(("HorizontalPodAutoscaler", "user-service"))
    replicas = autoscaler["spec"]["maxReplicas"] if autoscaler else deployment["spec"]["replicas"]
    connections, counted = most_connections(deployment["spec"], replicas, settings, settings_of_job)
    if connections > CONNECTIONS:
        fault(f"{where}: {counted} take {connections} connections, of {CONNECTIONS}")


def check_compose():
    service = load("compose.yaml")["services"]["user-service"]
    check_variables("compose.yaml", service["environment"])


def check_rendered_compose(path):
    """Checks the environment that compose gives to the service."""
    services = yaml.safe_load(pathlib.Path(path).read_text())["services"]
    environment = services["user-service"]["environment"]
    check_variables("compose.yaml", environment)
    grafana = services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]
    if any(grafana in value for value in environment.values()):
        fault("compose.yaml: the service is given Grafana's password")


def check_dockerfile():
    text = (DEPLOY / "Dockerfile").read_text()
    image = re.search(r"^FROM rust:([\d.]+)-slim", text, re.M)[1]
    toolchain = re.search(r'channel = "([\d.]+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    if image != toolchain:
        fault(f"the image is built with Rust {image}, everything else with {toolchain}")
    version = re.search(r'^version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    for place in ["Dockerfile", "compose.yaml", "kubernetes/overlays/dev/kustomization.yaml",
                  "kubernetes/overlays/production/kustomization.yaml"]:
        text = (DEPLOY / place).read_text()
        named = set(re.findall(r"(?:user-service:|newTag: |VERSION=)([\d.]+\d)", text))
        if named != {version}:
            fault(f"{place} names the release {sorted(named)}, which is {version}")


def main():
    if sys.argv[1:] == ["rule"]:
        print_rule()
        return
    if sys.argv[1] == "compose":
        check_rendered_compose(sys.argv[2])
    else:
        service, rendered = sys.argv[2], sys.argv[3:]
        check_rule()
        alerted_memory = check_alerts()
        for path in rendered:
            check_manifests(service, path, alerted_memory)
        check_compose()
        check_dockerfile()
    for text in faults:
        print(f"deploy: {text}", file=sys.stderr)
    sys.exit(bool(faults))


main()
