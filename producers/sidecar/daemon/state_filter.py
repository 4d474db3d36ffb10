"""The state filter: what an application reports again unchanged is not sent again."""

import json
from collections.abc import Mapping
from typing import Any, Final

_MAX_CHARACTERS: Final = 1 << 20


class StateFilter:
    """Top-level keys of a session's state as they were last sent, each as canonical JSON.

    A key that another producer changed meanwhile is not known here. Beyond a bound everything is forgotten:
    then it is sent once more, which is right as well.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._size = sum(len(key) + len(text) for key, text in values.items())

    def unsent(self, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of `patch` that differs from what was last sent under the same keys."""
        return {key: value for key, value in patch.items() if self._values.get(key) != canonical(value)}

    def note_sent(self, patch: Mapping[str, Any]) -> None:
        """Remember that `patch` was sent."""
        for key, value in patch.items():
            text = canonical(value)
            self._size += len(text) - len(self._values[key]) if key in self._values else len(key) + len(text)
            self._values[key] = text
        if self._size > _MAX_CHARACTERS:
            self._values, self._size = {}, 0

    def values(self) -> dict[str, str]:
        """Return the canonical JSON of each key, to be kept on disk."""
        return dict(self._values)

    def state(self) -> dict[str, Any]:
        """Return the value of each key, to be shown."""
        return {key: json.loads(text) for key, text in self._values.items()}


def canonical(value: Any) -> str:
    """Return the same text for the same JSON, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
