"""Metrics that the daemon adds up and sends as totals: the common part of counters and histograms."""

import math
from contextlib import suppress
from typing import Any, Final

from pydantic import BaseModel

from producers.sidecar.daemon.state_filter import canonical
from schemas.fact_body import FactBody
from schemas.texts import IndexedText, Name
from schemas.validation import InvalidFact

_MAX_BYTES: Final = 16 << 10

Tags = list[str] | dict[str, Any] | None


class Aggregate(BaseModel):
    """A metric that adds up since its session began."""

    name: str
    unit: str | None
    tags: Tags
    metadata: dict[str, Any] | None

    def metric(self) -> dict[str, Any]:
        """Return the body of the metric that reports the total."""
        raise NotImplementedError

    def _metric(self, kind: str, fields: dict[str, Any], metadata: dict[str, Any] | None) -> dict[str, Any]:
        body = {
            "name": self.name,
            "type": kind,
            **fields,
            "unit": self.unit,
            "tags": self.tags,
            "metadata": metadata,
        }
        return {name: value for name, value in body.items() if value is not None}


class AggregateReport(FactBody):
    """The request fields of a metric that adds up. Its time does not count: a total is as of its flush."""

    name: Name
    unit: IndexedText | None = None
    tags: Tags = None
    metadata: dict[str, Any] | None = None

    def key_of(self, kind: str, *more: Any) -> str:
        """Return the key of the aggregate: its kind, its name, its tags in any order, and `more`."""
        return canonical([kind, self.name, sorted_tags(self.tags), *more])

    def described(self) -> dict[str, Any]:
        """Return the fields that an aggregate takes from its newest report. Raises InvalidFact."""
        fields = {
            "name": self.name,
            "unit": self.unit,
            "tags": sorted_tags(self.tags),
            "metadata": self.metadata,
        }
        if len(canonical(fields).encode()) > _MAX_BYTES:
            raise InvalidFact(
                "too_large",
                f"name, unit, tags and metadata of a counter or histogram: at most {_MAX_BYTES} bytes",
            )
        return fields


def sorted_tags(tags: Tags) -> Tags:
    """Return the same value for the same tags in any order."""
    if isinstance(tags, dict):
        return dict(sorted(tags.items()))
    return tags and sorted(tags)


def total(before: float, number: float) -> float:
    """Return a sum, of integers an integer. Raises InvalidFact if it is beyond a double."""
    with suppress(OverflowError):
        if math.isfinite(added := before + number):
            return added
    raise InvalidFact("invalid_number", "the total is too large for a double")
