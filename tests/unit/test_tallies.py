"""Counters and histograms of our own say what prometheus_client's own say."""

from collections.abc import Mapping
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from runtime.compat.fast_metrics import Durations, Tally

BUCKETS: Final = (0.001, 0.01, 0.5, 1, 5)

NAMES = st.sampled_from(["EVENTS", "STATE", 'with " and \\ and \n'])
SECONDS = st.one_of(st.sampled_from(BUCKETS), st.floats(min_value=0, max_value=10))

Sample = tuple[str, tuple[tuple[str, str], ...]]


@given(st.lists(st.tuples(NAMES, NAMES)))
def test_a_tally_counts_as_a_counter_does(what: list[tuple[str, str]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("facts", "Facts.", ["stream", "outcome"], registry=ours)
    counter = Counter("facts", "Facts.", ["stream", "outcome"], registry=theirs)
    for labels in what:
        tally.add(*labels)
        counter.labels(*labels).inc()
    assert samples(ours) == samples(theirs)


@given(st.lists(st.tuples(NAMES, NAMES, SECONDS)))
def test_durations_fall_into_the_buckets_of_a_histogram(what: list[tuple[str, str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("took", "Took.", ["method", "path"], buckets=BUCKETS, registry=ours)
    histogram = Histogram("took", "Took.", ["method", "path"], buckets=BUCKETS, registry=theirs)
    for method, path, seconds in what:
        durations.observe(seconds, method, path)
        histogram.labels(method, path).observe(seconds)
    assert samples(ours) == samples(theirs)


def samples(registry: CollectorRegistry) -> Mapping[Sample, float]:
    """By name and labels, but for the times at which prometheus_client made its own."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
