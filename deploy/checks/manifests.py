#!/usr/bin/env python3
"""Checks the files of deploy/ against each other and against the service.

    manifests.py check SERVICE RENDERED...   SERVICE is the program, RENDERED the manifests of the overlays
    manifests.py compose RENDERED            RENDERED is compose.yaml as docker-compose renders it
    manifests.py rule [URL]                  prints the Kubernetes rule with the content of prometheus/rules.yaml; the
                                             links to the runbook begin with URL, if it is given
"""

import base64
import math
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
# The default max_connections of PostgreSQL, 100, without those reserved for superusers.
CONNECTIONS = 97
# Variables that affect the service but are not its own settings.
NOT_OURS = {"OTEL_RESOURCE_ATTRIBUTES", "PATH", "SQLITE_TMPDIR", "SSL_CERT_FILE"}
# Values of the secret settings, for secrets that are not among the manifests.
SECRETS = {
    "JWT_SECRET_KEY": secrets.token_hex(32),
    "JWT_SECRET_KEY_PREVIOUS": secrets.token_hex(32),
    "ALLOWED_API_TOKENS": secrets.token_hex(32),
    "SEALING_KEY": secrets.token_hex(32),
    "DATABASE_URI": "postgresql://users@postgres:5432/users",
    "DATABASE_READ_URIS": "postgresql://users@standby:5432/users",
    "MIGRATE_DATABASE_URI": "postgresql://users@postgres:5432/users",
    "REDIS_URL": "rediss://redis:6379/0",
    "AMQP_URL": "amqps://rabbitmq:5671/users",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=token",
}
# The settings in the secret that docs/deploying.md tells the reader to create.
IN_THE_SECRET = ["JWT_SECRET_KEY", "ALLOWED_API_TOKENS", "DATABASE_URI", "REDIS_URL"]

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


def print_rule(url):
    class Blocks(yaml.SafeDumper):
        pass

    def text(dumper, value):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Blocks.add_representer(str, text)
    print("# Generated from deploy/prometheus/rules.yaml by `make alerts`. Do not edit.")
    rule = prometheus_rule()
    for alert in (r for group in rule["spec"]["groups"] for r in group["rules"] if url and "alert" in r):
        alert["annotations"]["runbook_url"] = f"{url.rstrip('/')}/{alert['annotations']['runbook_url']}"
    print(yaml.dump(rule, Dumper=Blocks, sort_keys=False, width=1000), end="")


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
    files = ["prometheus/rules_test.yaml", "prometheus/rules_long_test.yaml"]
    tests = [t for file in files for test in load(file)["tests"] for t in test["alert_rule_test"]]
    for name in alerts:
        fires = [bool(t["exp_alerts"]) for t in tests if t["alertname"] == name]
        if True not in fires:
            fault(f"{name}: no test sees it fire")
        # Each alert also needs a test in which it does not fire, at least for a moment.
        if False not in fires:
            fault(f"{name}: no test sees it silent")
    return alerted_memory(load("prometheus/rules.yaml"))


def alerted_memory(rules):
    """Returns the memory limit in MiB that the alert on memory contains."""
    expressions = [r["expr"] for g in rules["groups"] for r in g["rules"] if "resident_memory" in r["expr"]]
    return int(re.search(r"[\d.]+ \* (\d+) \* 1024 \* 1024", expressions[0])[1])


def known_variables():
    text = (ROOT / "crates/app/src/settings/variables.rs").read_text()
    return set(re.findall(r'^\s*(?:(?:plain|secret|with_default)\()?"([A-Z][A-Z0-9_]+)",', text, re.M))


def secret_variables():
    text = (ROOT / "crates/app/src/settings/variables.rs").read_text()
    return set(re.findall(r'^\s*secret\(\s*"([A-Z][A-Z0-9_]+)",', text, re.M))


def file_variables():
    """Returns the variables that name files with secrets."""
    return {f"{name}_FILE" for name in secret_variables()}


def check_variables(where, names):
    for name in sorted(set(names) - known_variables() - file_variables() - NOT_OURS):
        fault(f"{where}: the service knows no variable {name}")


def check_settings(service, where, environment):
    done = subprocess.run([service, "check-settings"], env=environment, cwd="/", capture_output=True, text=True)
    if done.returncode != 0:
        fault(f"{where}: {done.stderr.strip()}")


def megabytes(quantity):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()
    return int(number) * (1024 if unit == "Gi" else 1)


def most_connections(deployment, replicas, settings, settings_of_job):
    """Returns the largest number of database connections during a rollout, and a description of their owners."""
    # A replica is stopped once another has been ready for minReadySeconds. It keeps its connections until it has ended.
    ending = math.ceil(deployment["template"]["spec"]["terminationGracePeriodSeconds"] / max(deployment["minReadySeconds"], 1))
    ending = min(ending, replicas)
    pods = replicas + deployment["strategy"]["rollingUpdate"]["maxSurge"] + ending
    # One connection more than the setting is for the outbox poller. The Job uses one more for the steps of a migration.
    connections = pods * (int(settings.get("DATABASE_MAX_CONNECTIONS", 16)) + 1)
    if settings_of_job is None:
        return connections, f"{pods} replicas, {ending} of them ending"
    connections += int(settings_of_job["DATABASE_MAX_CONNECTIONS"]) + 2
    return connections, f"{pods} replicas, {ending} of them ending, and the Job"


def environment_of(container, named):
    """Returns the environment of a container. Secrets that are not among the manifests have the values of SECRETS."""
    environment = {}
    for source in container["envFrom"]:
        if "configMapRef" in source:
            environment |= named["ConfigMap", source["configMapRef"]["name"]]["data"]
        elif ("Secret", source["secretRef"]["name"]) in named:
            data = named["Secret", source["secretRef"]["name"]]["data"]
            environment |= {name: base64.b64decode(value).decode() for name, value in data.items()}
        else:
            environment |= {name: SECRETS[name] for name in IN_THE_SECRET}
    for variable in container.get("env", []):
        environment[variable["name"]] = variable["value"] if "value" in variable else SECRETS[variable["name"]]
    return environment


def with_files(where, container, environment, folder):
    """Creates the files that an environment names, in this folder. Returns the environment with their new paths."""
    mounted = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
    moved = {}
    for name, value in environment.items():
        if name.endswith("_FILE") and not any(value.startswith(f"{path}/") for path in mounted):
            fault(f"{where}: {name} names the file {value}, which is in no volume")
        elif name.endswith("_FILE"):
            path = folder / value.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SECRETS.get(name.removesuffix("_FILE"), ""))
            moved[name] = str(path)
    return environment | moved


def of_the_service(documents, kind):
    """Returns the object of this kind that belongs to the service, or None if there is none."""
    labelled = (d for d in documents if d["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "user-service")
    return next((d for d in labelled if d["kind"] == kind), None)


def check_manifests(service, where, documents, alerted_memory):
    """Checks the objects against each other and the service. Returns the largest number of database connections."""
    named = {(d["kind"], d["metadata"]["name"]): d for d in documents}
    deployment, job, autoscaler = (of_the_service(documents, kind) for kind in ("Deployment", "Job", "HorizontalPodAutoscaler"))
    environments = []
    for workload in filter(None, [deployment, job]):
        container = workload["spec"]["template"]["spec"]["containers"][0]
        environment = environment_of(container, named)
        check_variables(where, environment)
        with tempfile.TemporaryDirectory() as folder:
            check_settings(service, where, with_files(where, container, environment, pathlib.Path(folder)))
        environments.append(environment)
    settings, settings_of_job = environments if job else (environments[0], None)
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    ending = int(settings.get("SHUTDOWN_DELAY_SECONDS", 0)) + int(settings.get("SHUTDOWN_GRACE_SECONDS", 25))
    if pod["terminationGracePeriodSeconds"] < ending + 5:
        fault(f"{where}: terminationGracePeriodSeconds leaves no room for an ending of {ending} s")
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    if ports != {"http": int(settings.get("PORT", 5000)), "management": int(settings["MANAGEMENT_PORT"])}:
        fault(f"{where}: the ports are not those of the settings: {ports}")
    if megabytes(container["resources"]["limits"]["memory"]) != alerted_memory:
        fault(f"{where}: the memory limit differs from the one in the alert UserServiceMemoryHigh, {alerted_memory} MiB")
    if megabytes(container["resources"]["requests"]["memory"]) < int(settings.get("CACHE_MEMORY_MB", 64)) + 64:
        fault(f"{where}: requests.memory must be at least 64 MiB more than CACHE_MEMORY_MB")
    replicas = autoscaler["spec"]["maxReplicas"] if autoscaler else deployment["spec"]["replicas"]
    connections, counted = most_connections(deployment["spec"], replicas, settings, settings_of_job)
    if connections > CONNECTIONS:
        fault(f"{where}: {counted} use {connections} connections, PostgreSQL has {CONNECTIONS}")
    return connections


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


def check_unit():
    """Checks the variables of the systemd unit, its secrets, and how long it lets the service end."""
    lines = (DEPLOY / "systemd/user-service.service").read_text().splitlines()
    entries = [line.partition("=")[::2] for line in lines if "=" in line and not line.startswith("#")]
    environment = dict(value.split("=", 1) for name, value in entries if name == "Environment")
    check_variables("the systemd unit", environment)
    credentials = {value.split(":")[0] for name, value in entries if name == "LoadCredential"}
    files = {f"{name}_FILE": f"%d/{name}" for name in credentials}
    if not credentials or files != {name: value for name, value in environment.items() if name in file_variables()}:
        fault(f"the systemd unit: the variables do not name its credentials {sorted(credentials)}")
    settings = (ROOT / ".env.example").read_text()
    ending = sum(int(re.search(rf"^#SHUTDOWN_{what}_SECONDS=(\d+)", settings, re.M)[1]) for what in ("DELAY", "GRACE"))
    if int(dict(entries)["TimeoutStopSec"]) < ending + 5:
        fault(f"the systemd unit: TimeoutStopSec leaves no room for an ending of {ending} s")


def check_external_secret():
    """Checks that the example creates the secret that the manifests use, with the settings that they need."""
    example = load("kubernetes/examples/external-secret.yaml")
    keys = {entry["secretKey"] for entry in example["spec"]["data"]}
    if not set(IN_THE_SECRET) <= keys <= secret_variables():
        fault(f"external-secret.yaml: these are not the secret settings: {sorted(keys)}")
    container = load("kubernetes/base/deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    used = next(source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source)
    if (example["kind"], example["spec"]["target"]["name"]) != ("ExternalSecret", used):
        fault(f"external-secret.yaml: it does not create the secret {used}")


def check_workflows():
    """Checks that each action is pinned by its commit, with the version in a comment, and by one commit everywhere."""
    pins = {}
    for path in sorted((ROOT / ".github/workflows").iterdir()):
        for use in re.findall(r"uses: *(.+)", path.read_text()):
            pinned = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", use)
            if not pinned:
                fault(f"{path.name}: not pinned by a commit and a version: {use}")
            elif pins.setdefault(pinned[1], pinned[0]) != pinned[0]:
                fault(f"{path.name}: {pinned[0]}, elsewhere {pins[pinned[1]]}")
    if len(pins) < 3:
        fault("no actions were found in the workflows: this check reads them wrongly")


def check_dockerfile():
    text = (ROOT / "Dockerfile").read_text()
    image = re.search(r"^FROM rust:([\d.]+)-slim", text, re.M)[1]
    toolchain = re.search(r'channel = "([\d.]+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    if image != toolchain:
        fault(f"the image is built with Rust {image}, everything else with {toolchain}")
    version = re.search(r'^version = "([\d.]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    for place in ["Dockerfile", "deploy/compose.yaml", "deploy/kubernetes/overlays/dev/kustomization.yaml",
                  "deploy/kubernetes/overlays/production/kustomization.yaml", "deploy/helm/user-service/Chart.yaml"]:
        text = (ROOT / place).read_text()
        named = set(re.findall(r"(?:user-service:|newTag: |VERSION=|^version: |^appVersion: )([\d.]+\d)", text, re.M))
        if named != {version}:
            fault(f"{place} names the release {sorted(named)}, which is {version}")


def main():
    if sys.argv[1] == "rule":
        print_rule(sys.argv[2] if len(sys.argv) > 2 else None)
        return
    if sys.argv[1] == "compose":
        check_rendered_compose(sys.argv[2])
    else:
        service, rendered = sys.argv[2], sys.argv[3:]
        check_rule()
        memory = check_alerts()
        for path in map(pathlib.Path, rendered):
            documents = [d for d in yaml.safe_load_all(path.read_text()) if d]
            check_manifests(service, path.stem, documents, memory)
        check_compose()
        check_dockerfile()
        check_unit()
        check_external_secret()
        check_workflows()
    for text in faults:
        print(f"deploy: {text}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
