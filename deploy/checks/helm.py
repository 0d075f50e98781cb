#!/usr/bin/env python3
"""Checks the Helm chart: against the schemas of Kubernetes, the production overlay, and the service.

    helm.py SERVICE PRODUCTION   SERVICE is the program, PRODUCTION the rendered production overlay
"""

import contextlib
import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import helm_python
import jsonschema
import yaml
from kubernetes_validate import utils as kubernetes_schemas
from referencing import Registry, Resource

import manifests
from comparison import comparable, differences
from manifests import DEPLOY, ROOT, fault, faults
from wrong_values import CONTRADICTIONS, WRONG

CHART = DEPLOY / "helm/user-service"
VERSIONS = ["1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
# Kinds of operators, whose schemas are not part of Kubernetes.
OTHER_KINDS = {"HTTPRoute", "PrometheusRule", "ServiceMonitor"}
# Variables that are not settings of the service, but that .env.example mentions.
MENTIONED = {"OTEL_RESOURCE_ATTRIBUTES", "SSL_CERT_FILE"}


@contextlib.contextmanager
def quiet():
    """Discards what helm writes to stderr: a line for each link in the folder of the chart, at each reading."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def sets_of_values():
    return {path.stem.removesuffix("-values"): yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").iterdir())}


def render(chart, values, release="user-service"):
    """Returns the objects of a release, and the notes for its operator."""
    chart.validate_schema(values)
    rendered = chart.render(values, name=release, namespace="user-service")
    notes = rendered.pop(f"{chart.name}/templates/NOTES.txt")
    documents = [d for text in rendered.values() for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d]
    return documents, notes


@functools.cache
def definitions(version):
    found = max(v for v in kubernetes_schemas.all_versions() if kubernetes_schemas.major_minor(v) == version)
    folder = f"kubernetes-json-schema/v{found}-local-strict"
    contents = kubernetes_schemas.schema_contents(f"{folder}/_definitions.json", version)
    return folder, Resource.from_contents(contents) @ Registry()


@functools.cache
def validator(version, api, kind):
    folder, registry = definitions(version)
    api = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = kubernetes_schemas.schema_contents(f"{folder}/{kind.lower()}-{api}.json", version)
    registry = Resource.from_contents(schema) @ registry
    return jsonschema.validators.Draft202012Validator(schema, registry=registry)


validated = {}


def check_schemas(where, documents):
    """Validates each object against each version of Kubernetes. Equal objects are validated once."""
    for document in documents:
        text = repr(document)
        if document["kind"] in OTHER_KINDS or text in validated:
            continue
        validated[text] = len(VERSIONS)
        for version in VERSIONS:
            try:
                error = next(validator(version, document["apiVersion"], document["kind"]).iter_errors(document), None)
            except FileNotFoundError:
                error = None
                fault(f"{where}: Kubernetes {version} has no {document['kind']} of {document['apiVersion']}")
            if error:
                fault(f"{where}: {document['kind']}, Kubernetes {version}: {error.json_path}: {error.message[:200]}")


def check_overlay(documents, path):
    """Checks that the chart without values renders the production overlay."""
    overlay = yaml.load_all(pathlib.Path(path).read_text(), Loader=yaml.CSafeLoader)
    chart, overlay = comparable(documents), comparable(list(overlay))
    for text in differences(chart, overlay):
        fault(f"chart: {text}")
    return len(chart)


def check_notes(where, notes, connections):
    stated = re.search(r"at most (\d+) connections", notes)
    if not stated or int(stated[1]) != connections:
        fault(f"{where}: the notes do not state that {connections} connections are used")


def check_alerts(where, documents, values):
    """Checks the links of alerts, and returns the memory limit in their expressions."""
    rule = manifests.of_the_service(documents, "PrometheusRule")
    if rule is None:
        return manifests.megabytes(values["resources"]["limits"]["memory"])
    base = values.get("prometheusRule", {}).get("runbookBaseUrl", "")
    start = f"{base.rstrip('/')}/docs/runbook.md#" if base else "docs/runbook.md#"
    alerts = [r for group in rule["spec"]["groups"] for r in group["rules"] if "alert" in r]
    wrong = [r["alert"] for r in alerts if not r["annotations"]["runbook_url"].startswith(start)]
    if wrong or len(alerts) < 20:
        fault(f"{where}: {len(alerts)} alerts, of which these have wrong links: {wrong}")
    return manifests.alerted_memory(rule["spec"])


def check_routes(where, documents, values):
    """Checks that an ingress or route leads to a port of the Service, by the path that the service expects."""
    services = {d["metadata"]["name"]: d["spec"]["ports"][0] for d in documents if d["kind"] == "Service"}
    path = values.get("settings", {}).get("PUBLIC_BASE_PATH", "/")
    routes = []
    for ingress in (d["spec"] for d in documents if d["kind"] == "Ingress"):
        hosts = [tls["hosts"] for tls in ingress["tls"]]
        for rule in ingress["rules"]:
            found = rule["http"]["paths"][0]
            backend = found["backend"]["service"]
            routes.append((found["path"], services.get(backend["name"], {}).get("name"), backend["port"]["name"]))
            if [rule["host"]] not in hosts:
                fault(f"{where}: the ingress ends no TLS for {rule['host']}")
    for route in (d["spec"] for d in documents if d["kind"] == "HTTPRoute"):
        rule = route["rules"][0]
        backend = rule["backendRefs"][0]
        routes.append((rule["matches"][0]["path"]["value"], services.get(backend["name"], {}).get("port"), backend["port"]))
    for found, port, named in routes:
        if found != path or port != named or named in {"management", 9090}:
            fault(f"{where}: the path {found} leads to port {named}, the Service has {port}")
    wanted = len(values["ingress"]["hosts"]) if values.get("ingress", {}).get("enabled") else 0
    wanted += bool(values.get("httpRoute", {}).get("enabled"))
    if len(routes) != wanted:
        fault(f"{where}: {len(routes)} routes instead of {wanted}")


def check_set(service, where, chart, archive, values):
    report = helm_python.lint(archive, values, strict=True, namespace="user-service")
    for message in report["messages"]:
        # 1 is information, such as that a chart may have an icon.
        if message["severity"] > 1:
            fault(f"{where}: helm lint: {message['path']}: {message['error']}")
    if report["errors"]:
        fault(f"{where}: helm lint: {report['errors']}")
    documents, notes = render(chart, values)
    names = [(d["kind"], d["metadata"]["name"]) for d in documents]
    if len(names) != len(set(names)):
        fault(f"{where}: two objects have one name: {names}")
    for kind in {d["kind"] for d in documents if "namespace" not in d["metadata"]}:
        fault(f"{where}: {kind} names no namespace")
    check_schemas(where, documents)
    check_routes(where, documents, values)
    memory = check_alerts(where, documents, values)
    connections = manifests.check_manifests(service, where, documents, memory)
    check_notes(where, notes, connections)
    return documents


def check_releases(chart):
    """Checks that names follow the release, and that a second release in the namespace selects no pod of the first."""
    releases = {"user-service": "user-service", "blue": "blue-user-service", "a" * 53: "a" * 33 + "-user-service"}
    for release, name in releases.items():
        documents, _ = render(chart, {}, release)
        deployment = manifests.of_the_service(documents, "Deployment")
        if deployment["metadata"]["name"] != name:
            fault(f"chart: release {release} is named {deployment['metadata']['name']}")
        long = [d["metadata"]["name"] for d in documents if len(d["metadata"]["name"]) > 63]
        if long:
            fault(f"chart: names of more than 63 characters: {long}")
        selectors = [d["spec"]["selector"] for d in documents if d["kind"] == "Service"]
        selecting = {"Deployment", "PodDisruptionBudget", "ServiceMonitor"}
        selectors += [d["spec"]["selector"]["matchLabels"] for d in documents if d["kind"] in selecting]
        selectors += [d["spec"]["podSelector"]["matchLabels"] for d in documents if d["kind"] == "NetworkPolicy"]
        if len(selectors) != 6 or any(s.get("app.kubernetes.io/instance") != release for s in selectors):
            fault(f"chart: not all selectors contain the release: {selectors}")


def check_checksums(chart):
    """Checks that a changed setting replaces the replicas and the Job, and that a number of replicas does not."""
    def checksums(values):
        documents, _ = render(chart, values)
        template = manifests.of_the_service(documents, "Deployment")["spec"]["template"]
        return template, manifests.of_the_service(documents, "Job")["metadata"]["name"]

    before = checksums({})
    changed = checksums({"settings": {"LOG_LEVEL": "warn"}})
    scaled = checksums({"autoscaling": {"minReplicas": 4}})
    if before[0] == changed[0] or before[1] == changed[1]:
        fault("chart: a changed setting does not replace the replicas and the Job")
    if before != scaled:
        fault("chart: another number of replicas replaces the replicas or the Job")


def check_refusals(chart):
    for text, where in WRONG:
        try:
            chart.validate_schema(yaml.safe_load(text))
        except helm_python.HelmValuesError as error:
            if f"at '{where}'" not in str(error):
                fault(f"values.schema.json: {text}: refused at another place than {where}: {error}")
        else:
            fault(f"values.schema.json: {text}: not refused")
    # Helm adds this to the values of a subchart.
    chart.validate_schema({"global": {"region": "north"}})
    for text, message in CONTRADICTIONS:
        try:
            render(chart, yaml.safe_load(text))
        except helm_python.HelmError as error:
            if message not in str(error):
                fault(f"chart: {text}: refused with {error}")
        else:
            fault(f"chart: {text}: not refused")


def object_schemas(node, path=""):
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for name, member in node.items():
            yield from object_schemas(member, f"{path}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from object_schemas(item, f"{path}/{index}")


def check_closed(schema):
    """Checks that each object of the schema refuses unknown names."""
    objects = dict(object_schemas(schema))
    for path, node in objects.items():
        # Maps of labels and annotations have any names. `global` belongs to a parent chart.
        is_map = "properties" not in node and isinstance(node.get("additionalProperties"), dict)
        if node.get("additionalProperties") is not False and not is_map and path != "/properties/global":
            fault(f"values.schema.json: {path} accepts unknown names")
    if len(objects) < 20:
        fault(f"values.schema.json: only {len(objects)} objects were found: this check reads the schema wrongly")


def resolved(schema, node):
    while "$ref" in node:
        node = schema["definitions"][node["$ref"].removeprefix("#/definitions/")]
    return node


def check_names(schema):
    """Checks that the values name exactly the settings of .env.example, and the secret ones only as references."""
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.M))
    secret, files = manifests.secret_variables(), manifests.file_variables()
    if secret - named or len(secret) < 8:
        fault(f"variables.rs names secret settings that .env.example does not: {secret - named}")
    expected = {"settings": named - secret | files | MENTIONED, "secret": secret}
    known = {
        "settings": set(schema["properties"]["settings"]["properties"]),
        "secret": set(schema["properties"]["secret"]["properties"]["variables"]["properties"]),
    }
    for where, names in expected.items():
        for name in sorted(names - known[where]):
            fault(f"values.schema.json: `{where}` lacks the setting {name}")
        for name in sorted(known[where] - names):
            fault(f"values.schema.json: `{where}` has {name}, which is no such setting")
    if set(manifests.SECRETS) != secret:
        fault(f"manifests.py: SECRETS differs from the secret settings: {set(manifests.SECRETS) ^ secret}")


def check_bounds(service, schema):
    """Checks that the schema and the service accept the same numbers, words and booleans."""
    settings = {n: resolved(schema, s) for n, s in schema["properties"]["settings"]["properties"].items()}
    bounded = {n: s for n, s in settings.items() if "minimum" in s}
    words = {n: s["enum"] for n, s in settings.items() if "enum" in s}
    # 0 is a port for the service, but not for Kubernetes.
    ports = {"PORT", "MANAGEMENT_PORT"}

    def refused(environment):
        base = {name: manifests.SECRETS[name] for name in manifests.IN_THE_SECRET}
        done = subprocess.run([service, "check-settings"], env=base | environment, cwd="/", capture_output=True, text=True)
        return {line.split(":")[0] for line in done.stderr.splitlines() if done.returncode and re.match(r"[A-Z0-9_]+: ", line)}

    # Each run has one value of each setting, because the service reports all errors at once.
    accepted = [{n: str(s["minimum"]) for n, s in bounded.items()}, {n: str(s["maximum"]) for n, s in bounded.items()}]
    accepted[0]["MANAGEMENT_PORT"] = "2"
    accepted[1]["MANAGEMENT_PORT"] = "65534"
    # ARGON2_MEMORY_KIB has its minimum and ARGON2_PARALLELISM its maximum in different runs, because each lane needs
    # at least 8 KiB.
    accepted += [{n: w[index % len(w)] for n, w in words.items()} for index in range(max(map(len, words.values())))]
    for environment in accepted:
        for name in refused(environment) & environment.keys():
            fault(f"values.schema.json: the service refuses {name}={environment[name]}")
    beyond = [
        {n: str(s["minimum"] - 1) for n, s in bounded.items() if n not in ports},
        {n: str(s["maximum"] + 1) for n, s in bounded.items()},
        {n: "other" for n in words if n != "HOST"} | {n: "other" for n, s in settings.items() if s.get("type") == "boolean"},
    ]
    for environment in beyond:
        for name in environment.keys() - refused(environment):
            fault(f"values.schema.json: the service accepts {name}={environment[name]}, the schema does not")
    return len(bounded) + len(words)


def check_package(chart):
    """Checks that the package, into which helm puts the files of links, renders what the folder renders."""
    values = {"dashboard": {"enabled": True}}
    with quiet(), helm_python.Chart.load(CHART) as folder:
        if render(folder, values) != render(chart, values):
            fault("chart: a packaged chart renders other objects")
    if any(file["name"].startswith("ci/") for file in chart.files):
        fault("chart: the package contains the values of this check")
    if chart.metadata.get("dependencies"):
        fault("chart: it has subcharts")


def check_files(chart):
    """Checks that rules and dashboard are those of deploy/."""
    documents, _ = render(chart, {"dashboard": {"enabled": True}})
    dashboard = next(d for d in documents if d["metadata"]["name"] == "user-service-dashboard")
    if dashboard["data"]["user-service.json"].strip() != (DEPLOY / "grafana/user-service.json").read_text().strip():
        fault("chart: the dashboard is not deploy/grafana/user-service.json")
    rule = manifests.of_the_service(documents, "PrometheusRule")
    if rule["spec"] != manifests.load("prometheus/rules.yaml"):
        fault("chart: the rules are not deploy/prometheus/rules.yaml")


def main():
    service, production = sys.argv[1:]
    missing = set(VERSIONS) - {kubernetes_schemas.major_minor(v) for v in kubernetes_schemas.all_versions()}
    if missing:
        fault(f"kubernetes-validate has no schemas of Kubernetes {sorted(missing)}")
    sets = sets_of_values()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        with quiet():
            archive = helm_python.package(CHART, destination=folder)
        chart = stack.enter_context(helm_python.Chart.load(archive))
        rendered = {name: check_set(service, f"chart, {name}", chart, archive, values) for name, values in sets.items()}
        equal = check_overlay(rendered["default"], production)
        unset = set(chart.schema["properties"]["settings"]["properties"]) - manifests.file_variables()
        unset -= sets["every-setting"]["settings"].keys()
        if unset:
            fault(f"chart: every-setting-values.yaml lacks {sorted(unset)}")
        check_releases(chart)
        check_checksums(chart)
        check_refusals(chart)
        check_closed(chart.schema)
        check_names(chart.schema)
        compared = check_bounds(service, chart.schema)
        check_files(chart)
        check_package(chart)
    for text in faults:
        print(f"helm: {text}", file=sys.stderr)
    validations = sum(validated.values())
    print(
        f"helm: {len(sets)} sets of values, {validations} validations against Kubernetes {VERSIONS[0]} to {VERSIONS[-1]}, "
        f"{equal} objects as in the production overlay, {len(WRONG) + len(CONTRADICTIONS)} wrong values, {compared} bounds; "
        f"{len(faults)} wrong"
    )
    sys.exit(bool(faults) or len(sets) < 12 or len(WRONG) < 40 or equal != 11 or validations < 300)


if __name__ == "__main__":
    main()
