"""After a fault: everything acknowledged is stored once, and the read model is what the line says."""

from collections import Counter

from consumers.control.verify import verify
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from projections.catalogue import projection_named
from runtime.database.connections import connect
from tests.faults.workload import Record
from tests.support.line import Line, Model
from tests.support.settled import at_the_end
from tests.support.waiting import wait_until


async def judge(settings: Settings, record: Record) -> None:
    """Wait until all is folded, then compare: with what was acknowledged, the reference, and a new fold."""
    nc = await connect_bus(settings, name="test-judge")
    async with await connect(settings, name="test-judge") as db:
        line, model = Line(nc), Model(db, timeout=86_400)
        await wait_until(lambda: at_the_end(nc, settings), 180, what="all folded")
        await _compare(line, model, record)
        found = await verify(projection_named("sessions"), settings, nc)
        assert found.differences == []
        assert found.rows["session"] > 0
    await close_bus(nc)


async def holders(settings: Settings, follower: str = "sessions") -> dict[str, int]:
    """Return how many partitions each live owner holds."""
    async with await connect(settings, name="test-holders") as db:
        cursor = await db.execute(
            "select owner, count(*) from foldline.lease"
            " where follower = %s and until > clock_timestamp() group by owner",
            (follower,),
        )
        return dict(await cursor.fetchall())


async def _compare(line: Line, model: Model, record: Record) -> None:
    facts, beats = await line.stored(), await line.stored("HEARTBEATS")
    stored = Counter(fact.headers.get("Nats-Msg-Id", "") for fact in facts)
    by_id = {fact.headers.get("Nats-Msg-Id", ""): fact for fact in facts}
    for message_id, (subject, body) in record.acked.items():
        if subject.endswith(".heartbeat"):
            continue
        assert stored[message_id] == 1, f"{message_id} acknowledged and stored {stored[message_id]} times"
        assert (by_id[message_id].subject, by_id[message_id].body) == (subject, body)
    conclusions = [one for one in stored if one not in record.acked]
    assert all(":recovered:" in one for one in conclusions), conclusions
    newest = {fact.session_id: fact.headers["Nats-Msg-Id"] for fact in beats}
    assert newest == record.newest_heartbeat
    reference = await line.reference()
    assert len(reference.sessions) == len({subject.split(".")[3] for subject, _ in record.acked.values()})
    assert await model.rejected() == {}
    for _, session_id in reference.sessions:
        await model.equals(reference, session_id)
