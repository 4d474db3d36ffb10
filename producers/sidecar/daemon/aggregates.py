"""Metrics that add up here and are sent as totals: what counters and histograms have in common."""

import math
from typing import Annotated, Any, Final

from pydantic import Field

from producers.sidecar.daemon.sent import canonical
from schemas.sessions.facts import FactBody
from schemas.texts import IndexedText, Name
from schemas.validation import InvalidFact

_MOST_BYTES: Final = 16 << 10

Number = Annotated[float, Field(allow_inf_nan=False)]
Tags = list[str] | dict[str, Any] | None


class Observed(FactBody):
    """What a request says of a metric that adds up. Its time does not count: a total is as of its flush."""

    name: Name
    unit: IndexedText | None = None
    tags: Tags = None
    metadata: dict[str, Any] | None = None

    def key_of(self, kind: str, *more: Any) -> str:
        """What its total is kept under: kind, name, tags in any order, and what else tells them apart."""
        return canonical([kind, self.name, sorted_tags(self.tags), *more])

    def described(self) -> dict[str, Any]:
        """The fields that the total takes from its newest request."""
        fields = {
            "name": self.name,
            "unit": self.unit,
            "tags": sorted_tags(self.tags),
            "metadata": self.metadata,
        }
        if len(canonical(fields).encode()) > _MOST_BYTES:
            raise InvalidFact(
                "too_large", f"name, tags and metadata of a metric that adds up: at most {_MOST_BYTES} bytes"
            )
        return fields


def sorted_tags(tags: Tags) -> Tags:
    """The same for the same tags in any order."""
    if isinstance(tags, dict):
        return dict(sorted(tags.items()))
    return tags and sorted(tags)


def total(number: float) -> float:
    """`number`, if it can be sent. Raises InvalidFact."""
    if not math.isfinite(number):
        raise InvalidFact("invalid_number", "the total is too large for a double")
    return number


def without_none(body: dict[str, Any]) -> dict[str, Any]:
    """A metric's body without the fields nobody gave."""
    return {name: value for name, value in body.items() if value is not None}
