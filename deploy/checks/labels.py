#!/usr/bin/env python3
"""Checks that the code can emit each label value that the rules, their tests and the dashboard select."""

import json
import pathlib
import re
import sys

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
CRATES = DEPLOY.parent / "crates"
# The places in the code that contain the values of each label.
NAMED = {
    "system": [("adapters/src/operations.rs", r'Self::\w+ => "(\w+)"')],
    "operation": [
        ("adapters/src/sea_orm.rs", r'\.timed\("(\w+)"'),
        ("adapters/src/sea_orm/change_log.rs", r'\.timed\("(\w+)"'),
        ("adapters/src/sea_orm/logins.rs", r'\.timed\("(\w+)"'),
        ("adapters/src/sea_orm/relationships.rs", r'\.timed\("(\w+)"'),
        ("adapters/src/cache/redis.rs", r'timed\(System::Redis, "(\w+)"'),
        ("adapters/src/passwords/meters.rs", r'Self::\w+ => "(\w+)"'),
        ("adapters/src/cache/redis/tokens.rs", r'timed\(System::Redis, "(\w+)"'),
    ],
    "algorithm": [("domain/src/values/password_hash/parsed_hash.rs", r'Self::\w+(?: \{ \.\. \})? => "([\w-]+)"')],
    "outcome": [
        ("adapters/src/operations.rs", r'"outcome" => if failed \{ "(\w+)" \} else'),
        ("adapters/src/operations.rs", r'"outcome" => if failed \{ "error" \} else \{ "(\w+)" \}'),
        ("app/src/workers/retention.rs", r'"outcome" => "(\w+)"'),
        ("adapters/src/tokens/jwks/refresh.rs", r'let outcome = if all_valid \{ "(\w+)" \}'),
        ("adapters/src/tokens/jwks/refresh.rs", r'let outcome = if all_valid \{ "ok" \} else \{ "(\w+)" \}'),
    ],
    "count": [("app/src/workers/retention.rs", r'"count" => "(\w+)"')],
    "pool": [("adapters/src/sea_orm/connection.rs", r'(?:Pool|AdmissionControl)::new\("(\w+)"')],
    "state": [("adapters/src/sea_orm/connection/pool.rs", r'"state" => "(\w+)"')],
    "tier": [("adapters/src/cache/meters.rs", r'TierMeters::new\("(\w+)"')],
    "result": [("adapters/src/cache/meters.rs", r'\bof\("(\w+)"')],
    "road": [("adapters/src/cache/meters.rs", r'invalidated\("(\w+)"')],
    "cause": [
        ("adapters/src/cache/meters.rs", r'evicted\("(\w+)"'),
        ("adapters/src/cache/meters.rs", r'discontinued\("(\w+)"\)'),
    ],
    "kind": [
        ("domain/src/ports/retention.rs", r'Self::\w+ => "(\w+)"'),
        ("domain/src/use_cases/purge_expired.rs", r'const USERS: &.*str = "(\w+)"'),
    ],
    "code": [("http/src/problem/code.rs", r'Self::\w+ => \(\s*"(\w+)"')],
}
# Only /health/ready returns these codes. It is not part of the objective.
OF_PROBES = {"not_ready", "schema_pending"}

faults = []


def known_values():
    known = {}
    for label, places in NAMED.items():
        for path, pattern in places:
            found = set(re.findall(pattern, (CRATES / path).read_text()))
            if not found:
                faults.append(f"crates/{path} names no {label} any more as this check looks for it: {pattern}")
            known.setdefault(label, set()).update(found)
    return known


def failing_codes(known):
    """Returns the problem codes with which a client can receive a 5xx."""
    text = (CRATES / "http/src/problem/code.rs").read_text()
    names = dict(re.findall(r'Self::(\w+) => \(\s*"(\w+)"', text))
    statuses = re.findall(r"((?:Self::\w+[\s|]*)+)=> (?:\{\s*)?StatusCode::(\w+)", text)
    failing = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT"}
    codes = {names[name] for arms, status in statuses if status in failing for name in re.findall(r"Self::(\w+)", arms)}
    return codes - OF_PROBES


def expressions(node):
    if isinstance(node, dict):
        for name, member in node.items():
            if name in {"expr", "series"} and isinstance(member, str):
                yield member
            else:
                yield from expressions(member)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)


def main():
    known = known_values()
    files = ["prometheus/rules.yaml", "prometheus/rules_test.yaml", "prometheus/rules_long_test.yaml"]
    files += ["grafana/user-service.json"]
    asked = 0
    for path in files:
        text = (DEPLOY / path).read_text()
        document = json.loads(text) if path.endswith("json") else yaml.safe_load(text)
        for expression in expressions(document):
            for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', expression):
                if label not in known:
                    continue
                asked += 1
                values = value.split("|") if operator.endswith("~") else [value]
                for unknown in sorted(set(values) - known[label]):
                    faults.append(f"{path}: the service has no {label} {unknown}: {' '.join(expression.split())}")
                if label == "code" and operator == "=~" and set(values) != failing_codes(known):
                    faults.append(f"{path}: the codes of failures are {sorted(failing_codes(known))}, not {value}")
    if asked < 50:
        faults.append(f"only {asked} labels were found: this check reads the expressions wrongly")
    for text in dict.fromkeys(faults):
        print(f"labels: {text}", file=sys.stderr)
    print(f"labels: {asked} values asked for, {len(set(faults))} wrong")
    sys.exit(bool(faults))


main()
