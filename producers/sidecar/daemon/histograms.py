"""Histograms: the daemon takes values and sends counts per bucket."""

from bisect import bisect_left
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from producers.sidecar.daemon.aggregates import Aggregate, AggregateReport, total
from schemas.numbers import Measured

BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Upper bounds for requests that name none; they suit seconds."""

Bounds = Annotated[
    list[Measured], Field(min_length=1, max_length=100), AfterValidator(lambda bounds: sorted(set(bounds)))
]


class Histogram(Aggregate):
    """One histogram of a session. A value above every bound counts in the last bucket."""

    kind: Literal["histogram"] = "histogram"
    bounds: list[Measured]
    counts: list[int]
    sum: Measured

    def metric(self) -> dict[str, Any]:
        """Return the body of the metric that reports it: the mean as value, the buckets as metadata."""
        count = sum(self.counts)
        buckets = [{"le": le, "count": n} for le, n in zip(self.bounds, self.counts, strict=True)]
        metadata = {**(self.metadata or {}), "buckets": buckets, "sum": self.sum, "count": count}
        return self._metric(self.kind, {"value": self.sum / count, "count": count}, metadata)


class Observation(AggregateReport):
    """`POST /metric` of type histogram: one value, and the upper bounds of the buckets."""

    value: Measured
    buckets: Bounds = Field(default_factory=lambda: list(BUCKETS))

    @model_validator(mode="before")
    @classmethod
    def _named_in_metadata(cls, body: Any) -> Any:
        # The published metric has them there, and clients without an argument for them may put them there.
        metadata = body.get("metadata")
        if "buckets" in body or not isinstance(metadata, dict) or "buckets" not in metadata:
            return body
        rest = {name: value for name, value in metadata.items() if name != "buckets"}
        return {**body, "metadata": rest, "buckets": metadata["buckets"]}

    def key(self) -> str:
        """Return the key of the histogram: other buckets make another histogram."""
        return self.key_of("histogram", self.buckets)

    def added_to(self, before: Aggregate | None) -> Histogram:
        """Return the histogram `before` with this value. Raises InvalidFact if the sum is not finite."""
        known = before if isinstance(before, Histogram) else None
        counts = list(known.counts) if known else [0] * len(self.buckets)
        counts[min(bisect_left(self.buckets, self.value), len(counts) - 1)] += 1
        return Histogram(
            **self.described(),
            bounds=self.buckets,
            counts=counts,
            sum=total(known.sum if known else 0, self.value),
        )
