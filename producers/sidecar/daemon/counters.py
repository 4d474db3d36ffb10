"""Counters: the daemon takes increments and sends the total."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from producers.sidecar.daemon.aggregates import AggregateReport, Number, Tags, finite, without_none


class Counter(BaseModel):
    """One counter of a session; `value` is its total since the session began."""

    kind: Literal["counter"] = "counter"
    name: str
    unit: str | None
    tags: Tags
    metadata: dict[str, Any] | None
    value: float

    def metric(self) -> dict[str, Any]:
        """Return the body of the metric that reports the total."""
        return without_none(
            {
                "name": self.name,
                "type": "counter",
                "value": self.value,
                "unit": self.unit,
                "tags": self.tags,
                "metadata": self.metadata,
            }
        )


class Increment(AggregateReport):
    """`POST /metric` with a `delta`, by which a counter rose."""

    delta: Annotated[Number, Field(ge=0)]

    def key(self) -> str:
        """Return the key of the counter."""
        return self.key_of("counter")

    def added_to(self, before: object) -> Counter:
        """Return the counter `before` with this increment. Raises InvalidFact if it is not finite."""
        value = finite((before.value if isinstance(before, Counter) else 0.0) + self.delta)
        return Counter(**self.described(), value=value)
