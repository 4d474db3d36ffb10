"""Several batches in one transaction, as a rebuild folds them: all of them count, or none."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from consumers.engine import transaction
from consumers.engine.handler import NotYet
from consumers.engine.leases import Fenced
from consumers.engine.projector import Projector
from line.raw_event import RawEvent
from projections.catalogue import PROJECTIONS
from projections.install import install
from projections.projection import Projection
from runtime.database.connections import Connection
from tests.integration.test_engine_refusal import Numbers, facts, numbers, rejected
from tests.integration.test_parking import Buggy
from tests.reference.published import Published
from tests.support.folding import Folding, raw_event
from tests.support.settings import PARTITIONS

BATCHES: Final = 4
NEXT: Final = {4: ("one", "S2"), 5: ("three", "S1")}
NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def made(db: Connection, projection: Projection[Any, Any] = PROJECTIONS[0]) -> Folding:
    folding = Folding(db, projection)
    await folding.take_leases()
    return folding


def events(*names: str, first: int = 1, session: str = "S1") -> list[Published]:
    return [
        Published(
            f"ev.local.session.{session}.event",
            b'{"name":"%b"}' % name.encode(),
            n,
            NOON + timedelta(seconds=n),
            {},
        )
        for n, name in enumerate(names, first)
    ]


async def one(db: Connection, query: str) -> Any:
    row = await (await db.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("together", [False, True])
async def test_batches_share_a_transaction_only_when_told_to(db: Connection, together: bool) -> None:
    folding = await made(db)
    await folding.fold([[event] for event in events(*"abcd")], together=together)
    assert await one(db, "select count(distinct xmin::text) from sessions.event") == (1 if together else 4)
    assert await one(db, "select events from sessions.session") == BATCHES
    checkpoint = (
        "select (seqs->>'SESSIONS')::int from foldline.lease where follower = 'sessions' and seqs <> '{}'"
    )
    assert await one(db, checkpoint) == BATCHES


async def test_it_ends_when_it_has_enough(db: Connection) -> None:
    folding = await made(db)
    folding.together = Projector(PROJECTIONS[0], max_transaction_events=2)
    await folding.fold([[event] for event in events(*"abcd")], together=True)
    assert await one(db, "select count(distinct xmin::text) from sessions.event") == 2
    assert await one(db, "select events from sessions.session") == BATCHES


@pytest.mark.parametrize("bound", ["_BYTES", "_WEIGHT"])
async def test_it_ends_when_memory_would_not_be_bounded(
    db: Connection, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    folding = await made(db)
    monkeypatch.setattr(transaction, bound, 10)
    await folding.fold([[event] for event in events(*"abcd")], together=True)
    assert await one(db, "select count(distinct xmin::text) from sessions.event") == BATCHES
    assert await one(db, "select events from sessions.session") == BATCHES


async def test_what_fails_is_not_committed_and_comes_again_alone(db: Connection) -> None:
    await install(db, Numbers(), PARTITIONS)
    folding = await made(db, Numbers())
    batches = [[fact] for fact in facts("1", "two", "3")]
    with pytest.raises(NotYet, match="one by one from here: InvalidTextRepresentation"):
        await folding.fold(batches, together=True)
    assert await numbers(db) == []
    await folding.fold(batches, together=True)
    assert await numbers(db) == [1, 3]
    assert await rejected(db) == [(2, "refused_by_database")]


async def test_a_partition_that_was_lost_and_taken_again_fences_all_of_it(db: Connection) -> None:
    """Its reader began at the checkpoint once more: the second batch may be the first one's events."""
    folding = await made(db)
    held = folding.leases.held
    (event,) = map(raw_event, events("a"))

    def again() -> Sequence[RawEvent]:
        held[event.partition] = replace(held[event.partition], epoch=held[event.partition].epoch + 1)
        return [event]

    with pytest.raises(Fenced):
        await folding.together.apply(db, [event], folding.leases, again)
    assert await one(db, "select count(*) from sessions.event") == 0


async def test_a_lease_that_moves_meanwhile_does_not_set_free_what_waits(db: Connection) -> None:
    folding = await made(db, Buggy())
    folding.together = Projector(Buggy(), max_transaction_events=1_000)
    await folding.fold([events("one", "bug", "two")], together=True)
    (other,), (waits,) = (
        map(raw_event, events(name, first=n, session=session)) for n, (name, session) in NEXT.items()
    )
    left = [[waits]]

    def following() -> Sequence[RawEvent]:
        folding.together.forget()  # another partition has moved
        return left.pop() if left else []

    await folding.together.apply(db, [other], folding.leases, following)
    assert await one(db, "select count(*) from sessions.event") == 2
    assert await one(db, "select count(*) from sessions.parked_event") == 3
