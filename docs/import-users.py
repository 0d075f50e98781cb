#!/usr/bin/env python3
"""Registers the users on stdin, one JSON object a line, or brings those that are there up to date.

    USER_SERVICE=http://127.0.0.1:5000 TOKEN=… docs/import-users.py < users.jsonl

An object is the body of POST /v1/users and has an external_id, by which a user is found again: the script may be stopped,
and run as often as needed. What is refused is told on stderr; the exit status is 1 if anything was.
"""

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SERVICE = os.environ["USER_SERVICE"].rstrip("/")
TOKEN = os.environ["TOKEN"]


def call(method, path, body=None, **headers):
    """Gives status, header fields and JSON; 0 as the status if there was no answer."""
    request = urllib.request.Request(SERVICE + path, method=method, data=body)
    request.add_header("X-API-Token", TOKEN)
    if body is not None:
        request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)
    except OSError as error:
        return 0, {}, {"detail": str(error)}


def keep(user):
    """Creates or changes one user; gives what was done, or a problem."""
    body = json.dumps(user).encode()
    find = "/v1/users/by-external-id/" + urllib.parse.quote(user["external_id"], safe="")
    problem = None
    for pause in (0, 0.5, 1, 2, 4, 8):
        time.sleep(pause)
        status, headers, problem = call("GET", find)
        if status == 200:
            version = problem["version"]
            status, _, problem = call("PATCH", f"/v1/users/{problem['id']}", body, If_Match=headers["ETag"])
            if status == 200:
                return ("changed" if problem["version"] != version else "unchanged"), None
        elif status == 404:
            key = "import-" + hashlib.sha256(body).hexdigest()
            status, _, problem = call("POST", "/v1/users", body, Idempotency_Key=key)
            if status == 201:
                return "created", None
        # Somebody else was at it, or the service is away or does not know: look again. Anything else will not pass.
        if status not in (0, 412, 503, 504) and problem.get("code") != "external_id_taken":
            break
    return "refused", problem


counts = {}
for number, line in enumerate(sys.stdin, 1):
    if not line.strip():
        continue
    done, problem = keep(json.loads(line))
    counts[done] = counts.get(done, 0) + 1
    if problem:
        faults = problem.get("errors") or [problem]
        reasons = "; ".join(f"{fault.get('pointer', '')} {fault['detail']}".strip() for fault in faults)
        print(f"line {number}: {problem.get('code', 'no answer')}: {reasons}", file=sys.stderr)
print(", ".join(f"{count} {done}" for done, count in sorted(counts.items())))
sys.exit(1 if counts.get("refused") else 0)
