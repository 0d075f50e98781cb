"""Prints what the packages need to know about the API at run time, derived from the OpenAPI document.

    contract.py openapi.json typescript|python

That is: which writes may be repeated after a lost response, and the codes of problems.
"""

import json
import re
import sys

# Operations without an Idempotency-Key that have the same result if they are done twice.
IDEMPOTENT = {"batchGetUsers", "batchFollow", "clearLockout"}


def resolved(document, value):
    """Follows references, such as those of parameters."""
    while "$ref" in value:
        found = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


def pattern_of(path):
    """Returns the regular expression of a path. It has no start, because a service can have a base path."""
    return "[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]+\}", path)).replace("\\-", "-") + "$"


def writes(document):
    """Returns method and path pattern of the writes that take an Idempotency-Key, and of the idempotent ones."""
    keyed, idempotent = [], []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method not in ("post", "put", "patch", "delete"):
                continue
            write = method.upper(), pattern_of(path)
            parameters = operations.get("parameters", []) + operation.get("parameters", [])
            if any(resolved(document, parameter)["name"] == "Idempotency-Key" for parameter in parameters):
                keyed.append(write)
            elif operation["operationId"] in IDEMPOTENT:
                idempotent.append(write)
    assert len(idempotent) == len(IDEMPOTENT), "an operation was renamed, or takes a key now"
    return keyed, idempotent


def codes(document):
    """Returns the known codes of problems."""
    return document["components"]["schemas"]["Problem"]["properties"]["code"]["x-extensible-enum"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    keyed, idempotent = writes(document)
    known = codes(document)
    if sys.argv[2] == "typescript":
        print("// Generated from the OpenAPI document.")
        print(f"export const CODES = {json.dumps(known, indent=2)} as const;")
    else:
        print('"""Generated from the OpenAPI document."""\n\nimport re\nfrom typing import Final, Literal\n')
        print("KnownCode = Literal[" + ", ".join(json.dumps(code) for code in known) + "]\n")
    for name, list_of_writes in (("KEYED_WRITES", keyed), ("IDEMPOTENT_WRITES", idempotent)):
        if sys.argv[2] == "typescript":
            print(f"export const {name}: readonly (readonly [string, RegExp])[] = [")
            for method, pattern in list_of_writes:
                print(f"  [{json.dumps(method)}, new RegExp({json.dumps(pattern)})],")
            print("];")
        else:
            print(f"{name}: Final = (")
            for method, pattern in list_of_writes:
                print(f"    ({json.dumps(method)}, re.compile(r{json.dumps(pattern)})),")
            print(")")


main()
