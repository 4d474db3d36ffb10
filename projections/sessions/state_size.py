"""The size of a session's state as it is served, kept from patch to patch."""

from collections.abc import Mapping
from typing import Any

from projections.binary_copy import json_size
from projections.sessions.merge_patch import merge_patch


def growth(target: Mapping[str, Any], patch: Mapping[str, Any]) -> int:
    """Return by how many bytes the JSON of `target` grows when `patch` is merged into it.

    It is exact, and costs what the patch says and replaces, however large the rest of the target is.
    """
    added: dict[str, Any] = {}
    removed: dict[str, Any] = {}
    grown = 0
    for key, value in patch.items():
        old = target.get(key)
        if isinstance(value, dict):
            if isinstance(old, dict):
                grown += growth(old, value)
                continue
            added[key] = merge_patch({}, value)
        elif value is not None:
            added[key] = value
        if old is not None:
            removed[key] = old
    # A member and its comma: the braces of `added` are one byte more than the comma that it does not need.
    if added:
        grown += json_size(added) - 1
    if removed:
        grown -= json_size(removed) - 1
    before = len(target)
    after = before + len(added) - len(removed)
    return grown + (not after) - (not before)  # the first member of an object has no comma
