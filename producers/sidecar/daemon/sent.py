"""The state filter: what an application says again is not sent again."""

import json
from collections.abc import Mapping
from typing import Any, Final

_MOST_CHARACTERS: Final = 1 << 20


class Sent:
    """Top-level keys of a session's state as they were last sent, each as canonical JSON.

    A key that another producer changed meanwhile is not known here. Beyond a bound everything is forgotten:
    then it is sent once more, which is right as well.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._size = sum(len(key) + len(text) for key, text in values.items())

    def news(self, patch: Mapping[str, Any]) -> dict[str, Any]:
        """What of `patch` differs from what was last sent under the same key."""
        return {key: value for key, value in patch.items() if self._values.get(key) != canonical(value)}

    def note(self, patch: Mapping[str, Any]) -> None:
        """`patch` is sent."""
        for key, value in patch.items():
            text = canonical(value)
            self._size += len(text) - len(self._values[key]) if key in self._values else len(key) + len(text)
            self._values[key] = text
        if self._size > _MOST_CHARACTERS:
            self._values, self._size = {}, 0

    def values(self) -> dict[str, str]:
        """By key, for keeping."""
        return dict(self._values)

    def state(self) -> dict[str, Any]:
        """By key, for showing."""
        return {key: json.loads(text) for key, text in self._values.items()}


def canonical(value: Any) -> str:
    """The same text for the same JSON, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
