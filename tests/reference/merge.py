"""JSON Merge Patch (RFC 7396) as the sessions reference words it, where it is called deep merge."""

import copy
from typing import Any

Json = dict[str, Any]


def merge(state: Json, patch: Json) -> Json:
    """Return the merge: fields are added or updated, objects merged at every depth, null deletes."""
    result = copy.deepcopy(state)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            old = result.get(key)
            result[key] = merge(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result
