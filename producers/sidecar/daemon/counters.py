"""Counters: the daemon takes increments and sends the total."""

from typing import Annotated, Any, Literal

from producers.sidecar.daemon.aggregates import Aggregate, AggregateReport, total
from schemas.numbers import Measured, NumberType


class Counter(Aggregate):
    """One counter of a session; `value` is its total."""

    kind: Literal["counter"] = "counter"
    value: Measured

    def metric(self) -> dict[str, Any]:
        """Return the body of the metric that reports the total."""
        return self._metric(self.kind, {"value": self.value}, self.metadata)


class Increment(AggregateReport):
    """`POST /metric` with a `delta`, by which a counter rose."""

    delta: Annotated[float, NumberType(0, as_double=True)]

    def key(self) -> str:
        """Return the key of the counter."""
        return self.key_of("counter")

    def added_to(self, before: Aggregate | None) -> Counter:
        """Return the counter `before` with this increment. Raises InvalidFact if it is not finite."""
        value = total(before.value if isinstance(before, Counter) else 0, self.delta)
        return Counter(**self.described(), value=value)
