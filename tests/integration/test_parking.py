"""A fold that raises parks its entity: its later events wait in order, the others go on."""

from collections.abc import Iterable

import pytest
from nats.aio.client import Client

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.parked import parked_entities, retry_parked, skip_parked_event
from consumers.control.pause import resume
from consumers.control.verify import verify
from consumers.engine.projector import Projector
from foldline.settings import Settings
from projections.catalogue import projection_named
from projections.projection import Key
from projections.recorded import Recorded
from projections.sessions.projection import SessionsProjection
from projections.sessions.rows import SessionChanges
from projections.sessions.state import Session
from runtime.database.connections import Connection
from runtime.problems import Problem
from schemas.sessions.facts import SessionEvent
from schemas.subjects import partition_of
from tests.support.engine import following
from tests.support.line import Line, Model
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

GOOD = projection_named("sessions")


class Buggy(SessionsProjection):
    """A fold that stumbles over events of one name, after half of its work; or while writing its rows."""

    def __init__(self, schema: str | None = None, *, writing: bool = False) -> None:
        super().__init__(schema)
        self.writing = writing

    def fold(self, states: dict[Key, Session | None], event: Recorded, changes: SessionChanges) -> None:
        super().fold(states, event, changes)
        if not self.writing and isinstance(event.body, SessionEvent) and event.body.name == "bug":
            raise ZeroDivisionError("half of the work is done")

    async def write(self, conn: Connection, changes: SessionChanges) -> None:
        await super().write(conn, changes)
        if self.writing and any(row[5] == "bug" for rows in changes.events.values() for row in rows):
            raise KeyError("a row")


async def put(line: Line, session: str, names: Iterable[str]) -> int:
    last = 0
    for name in names:
        last = await line.put("event", session, {"name": name})
    return last


async def summary(db: Connection) -> dict[str, tuple[int, int]]:
    """Session → sequence it got stuck at, events waiting."""
    return {one.id: (one.sequence, one.waiting) for one in await parked_entities(db, GOOD)}


@pytest.mark.parametrize("together", [0, 1_000], ids=["alone", "together"])
@pytest.mark.parametrize("writing", [False, True], ids=["fold", "write"])
async def test_others_go_on_and_a_retry_folds_what_waits_in_order(
    settings: Settings, nc: Client, db: Connection, writing: bool, together: int
) -> None:
    line, model = Line(nc), Model(db)
    settings = settings.model_copy(update={"batch_events": 2 if together else 5_000})
    await put(line, "S1", ["one"])
    stuck = await put(line, "S1", ["bug"])
    await put(line, "S2", ["one", "two"])
    await line.put("heartbeat", "S1")
    await line.put("event", "S1", {"name": "again"}, headers={"Nats-Msg-Id": "twice"})
    await line.forget_message_ids()
    await line.put("event", "S1", {"name": "again"}, headers={"Nats-Msg-Id": "twice"})
    last = await put(line, "S1", ["three"])
    async with following(nc, settings, Projector(Buggy(writing=writing), max_transaction_events=together)):
        await model.passed("S1", last)
        later = await put(line, "S1", ["four"])  # in a batch of its own
        await model.passed("S1", later)
        assert await model.events("S1") == ["one"]
        assert await model.events("S2") == ["one", "two"]
        assert await summary(db) == {"S1": (stuck, 5)}
        (entity,) = await parked_entities(db, GOOD)
        assert entity.error == (
            "KeyError: 'a row'" if writing else "ZeroDivisionError: half of the work is done"
        )
        if not writing:
            with pytest.raises(Problem, match="the fold raises again: ZeroDivisionError"):
                await retry_parked(db, Buggy(), ("local", "S1"), PARTITIONS)
            assert await summary(db) == {"S1": (stuck, 5)}
    # The program was mended.
    async with following(nc, settings, Projector(GOOD)):
        await model.passed("S1", await put(line, "S1", ["five"]))
        assert await retry_parked(db, GOOD, ("local", "S1"), PARTITIONS) == 5
        assert await model.events("S1") == ["one", "bug", "again", "three", "four", "five"]
        assert await summary(db) == {}
        with pytest.raises(Problem, match="is not parked"):
            await retry_parked(db, GOOD, ("local", "S1"), PARTITIONS)
        await model.passed("S1", await put(line, "S1", ["six"]))
        assert (await model.events("S1"))[-1] == "six"
        assert (await verify(GOOD, settings, nc)).differences == []


async def test_an_event_can_be_passed_over_and_a_verification_obeys(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    stuck = await put(line, "S1", ["one", "bug"])
    last = await put(line, "S1", ["two"])
    async with following(nc, settings, Projector(Buggy())):
        await model.passed("S1", last)
        with pytest.raises(Problem, match="needs a reason"):
            await skip_parked_event(db, Buggy(), ("local", "S1"), PARTITIONS, " ")
        assert await skip_parked_event(db, Buggy(), ("local", "S1"), PARTITIONS, "a known bug") == 1
        assert await model.events("S1") == ["one", "two"]
        assert await model.rejected() == {("SESSIONS", stuck): "skipped"}
        await model.passed("S1", await put(line, "S1", ["three"]))
    assert await model.events("S1") == ["one", "two", "three"]
    assert (await verify(GOOD, settings, nc)).differences == []


async def test_expiry_ends_the_waiting(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    await put(line, "S1", ["one", "bug", "two"])
    await line.put("expired", "S1")
    async with following(nc, settings, Projector(Buggy())):
        await model.passed("S1", await put(line, "S1", ["reborn"]))
        assert await model.events("S1") == ["reborn"]
        await put(line, "S1", ["bug"])
        await model.passed("S1", await put(line, "S1", ["behind"]))
        assert list(await summary(db)) == ["S1"]
        await line.put("expired", "S1")
        await model.passed("S1", await put(line, "S1", ["reborn again"]))
        assert await model.events("S1") == ["reborn again"]
        assert await summary(db) == {}


async def test_too_many_in_a_row_stop_the_partition(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    # One partition: ids that hash alike are found by trying.
    part = partition_of("S1", PARTITIONS)
    ids = [name for n in range(1_000) if partition_of(name := f"S{n}", PARTITIONS) == part][:12]
    for session in ids:
        await put(line, session, ["bug"])
    elsewhere = next(name for n in range(1_000) if partition_of(name := f"T{n}", PARTITIONS) != part)
    async with following(nc, settings, Projector(Buggy())) as (follower,):

        async def stopped() -> str | None:
            cursor = await db.execute(
                "select paused from foldline.lease where follower = 'sessions' and part = %s", (part,)
            )
            row = await cursor.fetchone()
            return row[0] if row else None

        reason = await wait_until(stopped)
        assert reason.startswith("stopped: 10 entities in a row could not be folded")
        await model.passed(elsewhere, await put(line, elsewhere, ["others go on"]))
        assert await model.reached(ids[0]) == 0
        assert part not in follower.leases.held
    async with following(nc, settings, Projector(GOOD)):
        assert await resume(db, "sessions") == 1
        await model.passed(ids[-1], await put(line, ids[-1], ["after"]))
        assert await model.events(ids[-1]) == ["bug", "after"]
        assert (await verify(GOOD, settings, nc)).differences == []


async def test_one_entity_is_rebuilt_in_place(settings: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    await line.created("S1")
    await line.put("heartbeat", "S1")
    await line.put("state", "S1", b"{")
    await put(line, "S2", ["one"])
    async with following(nc, settings, Projector(GOOD)):
        await put(line, "S1", ["one", "two"])
        await put(line, "S2", ["two"])
        await model.caught_up(line)
        await db.execute("delete from sessions.event; delete from sessions.heartbeat")
        await db.execute("update sessions.session set hostname = 'wrong'")
        assert await rebuild_entity(db, nc, GOOD, ("local", "S1"), PARTITIONS) == 4
        assert await model.events("S1") == ["one", "two"]
        assert (await model.session("S1") or {})["hostname"] is None
        await model.passed("S1", await put(line, "S1", ["three"]))
        assert await model.events("S1") == ["one", "two", "three"]
        found = await verify(GOOD, settings, nc)
        assert {one.key["id"] for one in found.differences} == {"S2"}
        assert await rebuild_entity(db, nc, GOOD, ("local", "S2"), PARTITIONS) == 2
        await db.execute("insert into sessions.event values (0, 'local', 'none', 1, now(), 'x', '{}')")
        assert await rebuild_entity(db, nc, GOOD, ("local", "none"), PARTITIONS) == 0
        assert (await verify(GOOD, settings, nc)).differences == []
