"""Conditions on a session's state: `dotted.path=value`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from psycopg.types.json import Jsonb

from schemas.validation import InvalidFact, check_body, parse_json


@dataclass(frozen=True, slots=True)
class StateCondition:
    """The value at `path` is `value`: the same text, or the same JSON value if `value` is JSON.

    So `progress=50` meets 50, 50.0 and "50"; `progress="50"` meets only the string. Numbers in a path also
    index arrays (`steps.0.name`).
    """

    path: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `dotted.path=value`; raises ValueError that shows the form."""
        path, equals, value = text.partition("=")
        if not path or not equals:
            raise ValueError("the form is dotted.path=value, such as status=running")
        return cls(tuple(path.split(".")), value)

    def parameter(self) -> dict[str, Any]:
        """As the statements read it."""
        wanted: dict[str, Any] = {"path": self.path, "plain": self.value}
        try:
            body = self.value.encode()
            check_body(body)
            wanted["value"] = parse_json(body)
        except InvalidFact:
            pass  # plain text, then
        return wanted


def conditions_parameter(conditions: Iterable[StateCondition]) -> Jsonb | None:
    """All of them as one parameter; None when there are none."""
    wanted = [condition.parameter() for condition in conditions]
    return Jsonb(wanted) if wanted else None
