"""Conditions on a session's state: `dotted.path=value`."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from psycopg.types.json import Jsonb

from schemas.validation import InvalidFact, parse_value


@dataclass(frozen=True, slots=True)
class StateCondition:
    """The value at `path` is `value`: the same text or, if `value` is JSON, the same JSON value.

    `progress=50` is met by 50, 50.0 and "50", `progress="50"` only by the string. Numbers in a path also
    index arrays (`steps.0.name`).
    """

    path: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `dotted.path=value`. Raises ValueError that shows the form."""
        path, equals, value = text.partition("=")
        if not path or not equals:
            raise ValueError("the form is dotted.path=value, such as status=running")
        return cls(tuple(path.split(".")), value)

    def parameter(self) -> dict[str, Any]:
        """Return it as the statements read it."""
        wanted: dict[str, Any] = {"path": self.path, "plain": self.value}
        with suppress(InvalidFact):  # then it is plain text
            wanted["value"] = parse_value(self.value)
        return wanted


def conditions_parameter(conditions: Iterable[StateCondition]) -> Jsonb | None:
    """Return all conditions as one parameter, None when there are none."""
    wanted = [condition.parameter() for condition in conditions]
    return Jsonb(wanted) if wanted else None
