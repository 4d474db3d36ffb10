"""Histories of jobs, drawn at random: ties within a second, clocks that differ, retries, repeated ends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from tests.reference.jobs import Happened

History = list[tuple[str, Happened]]
"""What was told, and of which subjob, or of the job itself under the empty name; in the order of the line."""

NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
STATUSES: Final[dict[str, list[str | None]]] = {
    "started": [None, "running"],
    "progress": [None, "running"],
    "metric": [None, "succeeded"],
    "finished": [None, "succeeded", "failed", "canceled"],
    "error": [None, "running", "failed", "canceled"],
    "canceled": [None, "canceled"],
}
_EDGES: Final = (0.005, 1.005, 599, 600, 600.005, 601, 900, 903)
_METRICS: Final = ("rows", "duration_s", "mem_max_mb", "cpu_user_s"), (0.0, 1.0, 2.5, 300.0, 900.0)
_METADATA: Final = ("commit", "error", "error_type"), ("a", "b", "lost")
_SECONDS: Final = st.one_of(st.integers(0, 4), st.integers(0, 1_300), st.sampled_from(_EDGES))


def _named(names: Sequence[str], values: Sequence[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), st.sampled_from(values), max_size=2)


def after_noon(seconds: float) -> datetime:
    """Return a time."""
    return NOON + timedelta(seconds=seconds)


def random_history(chance: Random, most: int = 14) -> list[tuple[str, Happened]]:
    """Draw a history without Hypothesis, for many at once."""
    return [
        (chance.choice(["", "", "a", "b"]), _random_event(chance)) for _ in range(chance.randint(1, most))
    ]


def _random_event(chance: Random) -> Happened:
    def seconds() -> float:
        return chance.choice([chance.randint(0, 4), chance.randint(0, 1_300), *_EDGES])

    def told() -> datetime | None:
        return after_noon(seconds()) if chance.random() < 0.3 else None

    def named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
        return {chance.choice(names): chance.choice(values) for _ in range(chance.randint(0, 2))}

    kind = chance.choice(sorted(STATUSES))
    status = chance.choice(STATUSES[kind])
    at = after_noon(seconds())
    return Happened(0, at, kind, status, told(), told(), named(*_METRICS), named(*_METADATA))


@st.composite
def happenings(draw: st.DrawFn) -> Happened:
    """Draw an event, without a place in the line."""
    kind = draw(st.sampled_from(sorted(STATUSES)))
    told = st.one_of(st.none(), st.none(), _SECONDS.map(after_noon))
    return Happened(
        0,
        after_noon(draw(_SECONDS)),
        kind,
        draw(st.sampled_from(STATUSES[kind])),
        draw(told),
        draw(told),
        draw(_named(*_METRICS)),
        draw(_named(*_METADATA)),
    )


def histories(*, max_size: int = 14) -> st.SearchStrategy[list[tuple[str, Happened]]]:
    """Draw what is told of a job (under the empty name) and of its subjobs, in the order of arrival."""
    told = st.lists(
        st.tuples(st.sampled_from(["", "", "a", "b"]), happenings()), min_size=1, max_size=max_size
    )
    return told.map(placed)


def placed(history: Sequence[tuple[str, Happened]]) -> list[tuple[str, Happened]]:
    """Return a history whose events have their places in the line."""
    return [(sub, Happened(place, *fields(event)[1:])) for place, (sub, event) in enumerate(history, 1)]


def fields(event: Happened) -> tuple[Any, ...]:
    """Return the fields of an event."""
    return tuple(getattr(event, name) for name in event.__dataclass_fields__)


def told_of(history: Sequence[tuple[str, Happened]], sub: str = "") -> list[Happened]:
    """Return what was told of a job or of one of its subjobs."""
    return [event for name, event in history if name == sub]


def job_body(job: str, sub: str, event: Happened, *, site: str = "fab1") -> dict[str, Any]:
    """Return an event as it is sent."""
    entity = {"type": "subjob", "id": sub, "parent_id": job} if sub else {"type": "job", "id": job}
    told = {
        "started_at": event.started_at and event.started_at.isoformat(),
        "ended_at": event.ended_at and event.ended_at.isoformat(),
        "status": event.status,
        "metrics": event.metrics,
        "metadata": event.metadata,
    }
    return {
        "site_id": site,
        "app": {"app_id": "A", "name": "app", "version": "1"},
        "entity": entity,
        "event": {"kind": event.kind, "at": event.at.isoformat()} | told,
    }
