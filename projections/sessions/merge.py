"""Deep merge: how a state patch changes a session's state."""

from collections.abc import Mapping
from typing import Any


def deep_merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`base` changed by `patch`: objects merge at every depth, null deletes, everything else replaces.

    Neither argument is changed; parts without a change are shared with the result. A null never stays:
    where a patch's object meets no object, its nulls have nothing to delete and vanish.
    """
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = deep_merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged
