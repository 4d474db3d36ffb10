"""Counters and histograms of our own say what prometheus_client's own say."""

from collections.abc import Mapping
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from runtime.compat.fast_metrics import FastCounter, FastHistogram

BUCKETS: Final = (0.001, 0.01, 0.5, 1, 5)

NAMES = st.sampled_from(["EVENTS", "STATE", 'with " and \\ and \n'])
SECONDS = st.one_of(st.sampled_from(BUCKETS), st.floats(min_value=0, max_value=10))

Sample = tuple[str, tuple[tuple[str, str], ...]]


@given(st.lists(st.tuples(NAMES, NAMES)))
def test_a_counter_counts_as_theirs_does(what: list[tuple[str, str]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    fast = FastCounter("facts", "Facts.", ["stream", "outcome"], registry=ours)
    counter = Counter("facts", "Facts.", ["stream", "outcome"], registry=theirs)
    for labels in what:
        fast.add(*labels)
        counter.labels(*labels).inc()
    assert samples(ours) == samples(theirs)


@given(st.lists(st.tuples(NAMES, NAMES, SECONDS)))
def test_durations_fall_into_the_buckets_of_their_histogram(what: list[tuple[str, str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    fast = FastHistogram("took", "Took.", ["method", "path"], buckets=BUCKETS, registry=ours)
    histogram = Histogram("took", "Took.", ["method", "path"], buckets=BUCKETS, registry=theirs)
    for method, path, seconds in what:
        fast.observe(seconds, method, path)
        histogram.labels(method, path).observe(seconds)
    assert samples(ours) == samples(theirs)


def test_they_are_exposed_line_by_line_like_theirs() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    FastCounter("facts", "Facts.", ["stream"], registry=ours).add("JOBS")
    FastHistogram("took", "Took.", ["path"], buckets=BUCKETS, registry=ours).observe(0.7, "/v1/jobs")
    Counter("facts", "Facts.", ["stream"], registry=theirs).labels("JOBS").inc()
    Histogram("took", "Took.", ["path"], buckets=BUCKETS, registry=theirs).labels("/v1/jobs").observe(0.7)
    lines = exposed(ours)
    assert 'facts_total{stream="JOBS"} 1.0' in lines
    assert 'took_bucket{le="+Inf",path="/v1/jobs"} 1.0' in lines
    assert lines == exposed(theirs)


def samples(registry: CollectorRegistry) -> Mapping[Sample, float]:
    """By name and labels, but for the times at which prometheus_client made its own."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def exposed(registry: CollectorRegistry) -> list[str]:
    """What Prometheus reads, but for the times at which prometheus_client made its own."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
