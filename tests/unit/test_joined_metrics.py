"""Metrics of two processes in one text that Prometheus takes."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from runtime.http.joined_metrics import join_metrics

Samples = set[tuple[str, tuple[tuple[str, str], ...], float]]


def text_of(**extra: float) -> bytes:
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests, of all kinds.", ["path"], registry=registry)
    requests.labels('/a b"{c}').inc(3)
    Gauge("plain", "Without labels.", registry=registry).set(2)
    Histogram("took_seconds", "Took.", ["path"], buckets=(1, 2), registry=registry).labels("/x").observe(1.5)
    for name, value in extra.items():
        Gauge(name, f"{name} alone.", ["status"], registry=registry).labels("active").set(value)
    return generate_latest(registry)


def samples(text: bytes) -> Samples:
    found = [
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    assert len(found) == len(set(found))
    return set(found)


def test_every_sample_is_there_once_and_every_family_once() -> None:
    own, theirs = text_of(own=1), text_of(theirs=12)
    joined = join_metrics(own, theirs, "agents")
    shared = {one for one in samples(theirs) if one[0] != "theirs"}
    alone = samples(theirs) - shared
    labelled = {
        (name, tuple(sorted([*labels, ("process", "agents")])), value) for name, labels, value in shared
    }
    assert samples(joined) == samples(own) | alone | labelled
    kinds = [line for line in joined.splitlines() if line.startswith(b"# TYPE")]
    assert len(kinds) == len(set(kinds))
    assert b'theirs{status="active"} 12.0' in joined


def test_nothing_joined_changes_nothing() -> None:
    own = text_of()
    assert join_metrics(own, b"", "agents") == own
