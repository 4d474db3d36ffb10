"""Histograms of the daemon: values and their buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from producers.sidecar.daemon.histograms import BUCKETS, Histogram, Observation


@given(st.lists(st.floats(-10, 100), min_size=1, max_size=30))
def test_histograms_count_every_value_once(values: list[float]) -> None:
    histogram: Histogram | None = None
    for value in values:
        histogram = Observation(name="n", value=value).added_to(histogram)
    assert histogram is not None
    metric = histogram.metric()
    counts = {bucket["le"]: bucket["count"] for bucket in metric["metadata"]["buckets"]}
    assert tuple(counts) == BUCKETS
    assert sum(counts.values()) == metric["metadata"]["count"] == len(values)
    assert counts[1.0] == sum(0.5 < value <= 1.0 for value in values)
    assert counts[60.0] == sum(value > 30 for value in values)
    assert metric["value"] == pytest.approx(sum(values) / len(values))


def test_buckets_may_be_named_beside_the_value_or_in_the_metadata() -> None:
    beside = Observation.model_validate({"name": "n", "value": 1, "buckets": [5, 1, 5], "metadata": {"a": 1}})
    within = Observation.model_validate({"name": "n", "value": 1, "metadata": {"a": 1, "buckets": [1, 5]}})
    assert beside == within
    assert beside.key() == within.key() != Observation(name="n", value=1).key()
    with pytest.raises(ValidationError):
        Observation.model_validate({"name": "n", "value": 1, "buckets": []})
