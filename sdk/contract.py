"""Prints what the packages need to know about the API at run time, derived from the OpenAPI document.

    contract.py openapi.json typescript|python

That is: which writes take an Idempotency-Key, and the codes of problems.
"""

import json
import re
import sys


def resolved(document, value):
    """Follows references, such as those of parameters."""
    while "$ref" in value:
        found = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


def idempotent_writes(document):
    """Yields method and path pattern of each operation that takes an Idempotency-Key."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method not in ("post", "put", "patch", "delete"):
                continue
            parameters = operations.get("parameters", []) + operation.get("parameters", [])
            if any(resolved(document, parameter)["name"] == "Idempotency-Key" for parameter in parameters):
                pattern = "[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]+\}", path))
                # A service can have a base path.
                yield method.upper(), pattern.replace("\\-", "-") + "$"


def codes(document):
    """Returns the known codes of problems: an enum, alone or beside a string that leaves the set open."""
    code = document["components"]["schemas"]["Problem"]["properties"]["code"]
    found = []

    def search(schema):
        schema = resolved(document, schema)
        found.extend(schema.get("enum", []) or schema.get("x-extensible-enum", []) or schema.get("examples", []))
        for part in schema.get("anyOf", []) + schema.get("oneOf", []) + schema.get("allOf", []):
            search(part)

    search(code)
    if not found:
        # An open string whose description lists the codes.
        found = re.findall(r"`([a-z_]+)`", code.get("description", ""))
    assert "precondition_failed" in found, "the document does not list the codes of problems"
    return list(dict.fromkeys(found))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    writes, known = list(idempotent_writes(document)), codes(document)
    if sys.argv[2] == "typescript":
        print("// Generated from the OpenAPI document.")
        print(f"export const CODES = {json.dumps(known, indent=2)} as const;")
        print("export const IDEMPOTENT_WRITES: readonly (readonly [string, RegExp])[] = [")
        for method, pattern in writes:
            print(f"  [{json.dumps(method)}, new RegExp({json.dumps(pattern)})],")
        print("];")
    else:
        print('"""Generated from the OpenAPI document."""\n\nimport re\nfrom typing import Final, Literal\n')
        print("KnownCode = Literal[" + ", ".join(json.dumps(code) for code in known) + "]\n")
        print("IDEMPOTENT_WRITES: Final = (")
        for method, pattern in writes:
            print(f"    ({json.dumps(method)}, re.compile(r{json.dumps(pattern)[:-1]}\")),")
        print(")")


main()
