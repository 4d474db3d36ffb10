"""Consumer processes among themselves: sharing, stopping, crashing, hanging."""

import signal
from collections import Counter

from nats.aio.client import Client

from foldline.settings import Settings
from runtime.database.connections import Connection
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

IDS = [f"S{n}" for n in range(24)]


async def shares(db: Connection) -> list[int]:
    """How many partitions each owner of the projection holds, among leases that have not run out."""
    cursor = await db.execute(
        "select owner, count(*) from foldline.lease "
        "where follower = 'sessions' and owner is not null and until > clock_timestamp() group by owner"
    )
    return sorted(count for _, count in await cursor.fetchall())


async def shared_as(db: Connection, *expected: int) -> None:
    async def so() -> bool:
        return await shares(db) == list(expected)

    await wait_until(so, 40, what=f"shares {expected}")


async def round_of_facts(line: Line, model: Model) -> None:
    last = {session_id: await line.put("event", session_id, {"name": "n"}) for session_id in IDS}
    for session_id, sequence in last.items():
        await model.passed(session_id, sequence, timeout=40)


async def test_partitions_follow_the_living(
    settings: Settings, nc: Client, db: Connection, processes: Processes
) -> None:
    line, model = Line(nc), Model(db)
    first = processes.consumer(settings)
    await shared_as(db, PARTITIONS)
    second, third = processes.consumer(settings), processes.consumer(settings)
    await shared_as(db, 5, 5, 6)
    await round_of_facts(line, model)

    first.kill()
    await round_of_facts(line, model)
    await shared_as(db, 8, 8)

    second.send(signal.SIGSTOP)  # it hangs, maybe inside a transaction
    await round_of_facts(line, model)
    await shared_as(db, PARTITIONS)
    second.send(signal.SIGCONT)
    await shared_as(db, 8, 8)
    await round_of_facts(line, model)

    assert third.stop() == 0
    await shared_as(db, PARTITIONS)  # given back at once, and taken
    await round_of_facts(line, model)
    assert second.stop() == 0
    assert await shares(db) == []

    reference = await line.reference()
    for session_id in IDS:
        await model.equals(reference, session_id)
    counts = Counter([len(await model.events(session_id)) for session_id in IDS])
    assert counts == {5: len(IDS)}
