"""Compares the objects of the Helm chart with those of a kustomize overlay."""

# The chart leaves the namespace to `helm install --create-namespace`.
NOT_IN_CHART = {"Namespace"}
# What both have, and each spells its own way.
OWN_LABELS = {"helm.sh/chart"} | {f"app.kubernetes.io/{label}" for label in ("instance", "managed-by", "part-of", "version")}


def normalised(node, names):
    """Returns an object without what the chart and kustomize do differently: labels, and checksums in names."""
    if isinstance(node, list):
        return [normalised(item, names) for item in node]
    if not isinstance(node, dict):
        return names.get(node, node) if isinstance(node, str) else node
    kept = {name: normalised(member, names) for name, member in node.items() if name not in OWN_LABELS | {"checksum/settings"}}
    return {name: member for name, member in kept.items() if name != "annotations" or member}


def comparable(documents):
    """Returns the objects by kind and name. kustomize appends a checksum to the config map, the chart to the Job."""
    documents = [d for d in documents if d["kind"] not in NOT_IN_CHART]
    checksums = {"ConfigMap": "user-service", "Job": "user-service-migrate"}
    names = {d["metadata"]["name"]: checksums[d["kind"]] for d in documents if d["kind"] in checksums}
    documents = [normalised(d, names) for d in documents]
    return {f"{d['kind']} {d['metadata']['name']}": d for d in documents}


def differences(one, other, path=""):
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from differences(one.get(name), other.get(name), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (first, second) in enumerate(zip(one, other)):
            yield from differences(first, second, f"{path}[{index}]")
    elif one != other:
        yield f"{path}: {one!r} in the chart, {other!r} in the overlay"
