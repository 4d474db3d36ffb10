"""Histograms: values come in, counts per bucket go out."""

from bisect import bisect_left
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from producers.sidecar.daemon.aggregates import Number, Observed, Tags, total, without_none

BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Upper bounds where a request names none; they suit seconds."""

Bounds = Annotated[
    list[Number], Field(min_length=1, max_length=100), AfterValidator(lambda bounds: sorted(set(bounds)))
]


class Histogram(BaseModel):
    """One histogram of a session. A value above every bound counts in the last bucket."""

    kind: Literal["histogram"] = "histogram"
    name: str
    unit: str | None
    tags: Tags
    metadata: dict[str, Any] | None
    bounds: list[float]
    counts: list[int]
    sum: float

    def metric(self) -> dict[str, Any]:
        """The body of the metric that tells it: its value is the mean, its metadata the buckets."""
        count = sum(self.counts)
        buckets = [{"le": le, "count": n} for le, n in zip(self.bounds, self.counts, strict=True)]
        return without_none(
            {
                "name": self.name,
                "type": "histogram",
                "value": self.sum / count,
                "count": count,
                "unit": self.unit,
                "tags": self.tags,
                "metadata": {**(self.metadata or {}), "buckets": buckets, "sum": self.sum, "count": count},
            }
        )


class Observation(Observed):
    """`POST /metric` of type histogram: one value, and the upper bounds of the buckets it goes into."""

    value: Number
    buckets: Bounds = Field(default_factory=lambda: list(BUCKETS))

    @model_validator(mode="before")
    @classmethod
    def _named_in_metadata(cls, body: Any) -> Any:
        # Where the total has them, and where clients without an argument for them may put them.
        metadata = body.get("metadata")
        if "buckets" in body or not isinstance(metadata, dict) or "buckets" not in metadata:
            return body
        rest = {name: value for name, value in metadata.items() if name != "buckets"}
        return {**body, "metadata": rest, "buckets": metadata["buckets"]}

    def key(self) -> str:
        """What its histogram is kept under: other buckets, another histogram."""
        return self.key_of("histogram", self.buckets)

    def added_to(self, before: object) -> Histogram:
        """The histogram with this in it. Raises InvalidFact when the sum is no finite number."""
        known = before if isinstance(before, Histogram) else None
        counts = list(known.counts) if known else [0] * len(self.buckets)
        counts[min(bisect_left(self.buckets, self.value), len(counts) - 1)] += 1
        return Histogram(
            **self.described(),
            bounds=self.buckets,
            counts=counts,
            sum=total((known.sum if known else 0.0) + self.value),
        )
