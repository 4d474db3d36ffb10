"""JSON Merge Patch (RFC 7396): how a state patch changes a session's state."""

from collections.abc import Mapping
from typing import Any


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return `target` changed by `patch`: objects merge at every depth, null deletes, anything else replaces.

    This is RFC 7396 for patches that are objects; any other patch is refused before it gets here. Nulls in a
    patch never stay: where its object meets no object, they have nothing to delete and vanish. In arrays they
    are values. Neither argument is changed; parts without a change are shared with the result.
    """
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged


class Merging:
    """Merges patches one after the other; objects that it made itself are changed in place.

    So many patches of one large state copy it once. Whoever keeps a state must not have had it made here.
    """

    def __init__(self) -> None:
        self._made: dict[int, dict[str, Any]] = {}  # by identity, which lasts as long as they are kept here

    def merge(self, target: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
        """Return `target` changed by `patch`, as `merge_patch` does; the patch is not changed."""
        merged = target
        if id(target) not in self._made:
            merged = dict(target)
            self._made[id(merged)] = merged
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            elif isinstance(value, dict):
                below = merged.get(key)
                merged[key] = self.merge(below if isinstance(below, dict) else {}, value)
            else:
                merged[key] = value
        return merged
