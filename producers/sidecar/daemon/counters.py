"""Counters: increments come in, the total goes out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from producers.sidecar.daemon.aggregates import Number, Observed, Tags, total, without_none


class Counter(BaseModel):
    """One counter of a session: since the session began, as the daemon knows it."""

    kind: Literal["counter"] = "counter"
    name: str
    unit: str | None
    tags: Tags
    metadata: dict[str, Any] | None
    value: float

    def metric(self) -> dict[str, Any]:
        """The body of the metric that tells it."""
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


class Increment(Observed):
    """`POST /metric` with a `delta`: by how much a counter rose."""

    delta: Annotated[Number, Field(ge=0)]

    def key(self) -> str:
        """What its counter is kept under."""
        return self.key_of("counter")

    def added_to(self, before: object) -> Counter:
        """The counter with this in it. Raises InvalidFact when that is no finite number."""
        value = total((before.value if isinstance(before, Counter) else 0.0) + self.delta)
        return Counter(**self.described(), value=value)
