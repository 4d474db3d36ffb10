"""Differences between two states, by JSON Pointer (RFC 6901), down to the values that differ."""

from collections.abc import Iterator, Mapping
from typing import Any


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield `{path, change, from?, to?}` for every value added, removed or changed; arrays are values.

    The keys of `before` come first, in their order, then the new keys of `after`.
    """
    for key in [*before, *(key for key in after if key not in before)]:
        here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in after:
            yield {"path": here, "change": "removed", "from": before[key]}
        elif key not in before:
            yield {"path": here, "change": "added", "to": after[key]}
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            yield from differences(before[key], after[key], here)
        elif not _same(before[key], after[key]):
            yield {"path": here, "change": "changed", "from": before[key], "to": after[key]}


def _same(one: Any, other: Any) -> bool:
    # In Python True == 1, 1 == 1.0 and 0.0 == -0.0; in JSON these are different texts.
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
