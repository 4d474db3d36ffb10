"""A key of a job's event counts once, in whatever form it comes; another event under it is set aside."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foldline.settings import Settings
from projections.catalogue import projection_named
from projections.jobs.live_events import Repetitions, live_events
from runtime.database.connections import connect
from tests.property.strategies import splits
from tests.reference.published import Published
from tests.support.examples import examples
from tests.support.folding import Folding, raw_event
from tests.support.jobs import job_event

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
WINDOW = timedelta(days=7)


@pytest.fixture(scope="module")
async def folding(new_database: Callable[[], str]) -> AsyncIterator[Folding]:
    settings = Settings(_env_file=None, database_url=new_database())
    async with await connect(settings, name="test-dedup") as conn:
        yield Folding(conn, projection_named("jobs"))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Published, tuple[str, str] | None, Any]]:
    """Draw stored events, each with the key it counts under and what it says."""
    found, stored_at = [], NOON
    for sequence in range(1, draw(st.integers(2, 14)) + 1):
        job = draw(st.sampled_from(["J1", "J1", "J2"]))
        kind = draw(st.sampled_from(["progress", "progress", "error"]))
        sub, n = draw(st.sampled_from([None, None, "s"])), draw(st.sampled_from([1, 1, 2]))
        key = draw(st.sampled_from(["k", "k", "clé", None]))
        body = job_event(
            job,
            kind,
            key=key,
            sub=sub,
            minute=draw(st.integers(-9, 0)) - 60 * 24 * 365,
            site=draw(st.sampled_from(["fab1", None])),
            metadata={"n": n},
        )
        chosen = draw(st.sampled_from(["", f"fab1:job:{job}:k", "x", "auto:1"]))
        headers = {"Nats-Msg-Id": chosen} if chosen else {}
        if draw(st.integers(0, 5)) == 0:
            headers["Foldline-Retry-Of"] = "JOBS/1:1"
            key = None
        counts_as = f"fab1:job:{job}:{key}" if key else chosen
        taken = None if not counts_as or counts_as.startswith("auto:") else (job, counts_as)
        days, microseconds = draw(st.sampled_from([0, 0, 1, 4, 7])), draw(st.integers(0, 1))
        stored_at += timedelta(days=days, microseconds=microseconds)
        text = json.dumps(body, indent=draw(st.sampled_from([None, 1]))).encode()
        one = Published(f"ev.fab1.job.{job}.{kind}", text, sequence, stored_at, headers)
        found.append((one, taken, (kind, sub, n)))
    return found


def judged(history: list[tuple[Published, tuple[str, str] | None, Any]]) -> tuple[set[int], set[int]]:
    """Return the sequences of the events that count, and of those that are set aside."""
    uses: dict[tuple[str, str], tuple[datetime, Any]] = {}
    counted, aside = set(), set()
    for one, key, said in history:
        first = uses.get(key) if key else None
        if first is None or one.stored_at - first[0] > WINDOW:
            counted.add(one.seq)
            if key:
                uses[key] = one.stored_at, said
        elif first[1] != said:
            aside.add(one.seq)
    return counted, aside


@examples(40)
@given(data=st.data())
async def test_a_key_counts_once(folding: Folding, data: st.DataObject) -> None:
    history = data.draw(histories())
    counted, aside = judged(history)
    facts = [one for one, _, _ in history]
    batches = data.draw(splits(facts))
    cold = data.draw(st.sets(st.integers(0, len(batches))))
    await folding.start_over()
    await folding.fold(batches, cold=cold)
    rows = await (await folding.conn.execute("select seq from jobs.event")).fetchall()
    assert {seq for (seq,) in rows} == counted
    assert await folding.rejected() == {("JOBS", sequence) for sequence in aside}
    # The live stream shows what counts, even where it is ahead of the read model.
    repetitions = Repetitions()
    shown = set()
    for raw, live, key in live_events([raw_event(one) for one in facts]):
        if key is None or not repetitions.is_repetition(raw, key, {}):
            shown.add(live.sequence)
    assert shown == counted
