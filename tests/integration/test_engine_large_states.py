"""Sessions with a large state: patches do not hold up the process, and memory stays bounded."""

import asyncio
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

import consumers.projector
from projections.projection import Key
from projections.sessions.projection import SessionsProjection
from projections.sessions.state import Session
from runtime.postgres import Connection
from tests.folding import Folding
from tests.reference.published import Published

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def patch(seq: int, session_id: str, state: object) -> Published:
    body = json.dumps(state).encode()
    return Published(f"ev.local.session.{session_id}.state", body, seq, NOON + timedelta(milliseconds=seq))


async def longest_turn(work: asyncio.Task[None]) -> float:
    """How long others had to wait for the loop at most; in time of this thread, as machines may be busy."""
    longest, before = 0.0, time.thread_time()
    while not work.done():
        await asyncio.sleep(0.001)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


async def test_patches_of_a_large_state_let_others_run(db: Connection) -> None:
    folding = Folding(db)
    await folding.start_over()
    keys = 100_000
    large = [
        patch(n, "S1", {f"k{key}": key for key in range(start, start + 50_000)})
        for n, start in enumerate(range(0, keys, 50_000), 1)
    ]
    await folding.fold([large])
    batch = [patch(n, "S1", {"status": n}) for n in range(10, 610)]
    work = asyncio.create_task(folding.fold([batch]))
    longest = await longest_turn(work)
    await work
    assert longest < 0.5  # all of it takes several times as long
    cursor = await db.execute("select state->'status', state->'k99999' from sessions.session")
    assert await cursor.fetchall() == [(609, 99_999)]


async def test_large_states_are_written_while_others_run(db: Connection) -> None:
    folding = Folding(db)
    await folding.start_over()
    state = {f"k{key}": key for key in range(60_000)}
    batch = [patch(n, f"S{n}", state) for n in range(1, 6)]
    work = asyncio.create_task(folding.fold([batch]))
    longest = await longest_turn(work)
    await work
    assert longest < 0.5
    cursor = await db.execute("select state from sessions.session")
    assert await cursor.fetchall() == [(state,)] * 5


class Counting(SessionsProjection):
    """Notes whose states had to be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    async def load(self, conn: Connection, keys: Iterable[Key]) -> dict[Key, Session]:
        wanted = list(keys)
        self.loaded += [session_id for _, session_id in wanted]
        return await super().load(conn, wanted)


async def test_remembered_states_are_bounded_by_their_weight(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers.projector, "_REMEMBERED_WEIGHT", 1 << 20)
    projection = Counting()
    folding = Folding(db, projection)
    await folding.start_over()
    large = [f"large{n}" for n in range(10)]
    small = [f"small{n}" for n in range(50)]
    await folding.fold([[patch(n, name, {"text": "x" * 100_000})] for n, name in enumerate(large)])
    await folding.fold([[patch(20 + n, name, {"n": n})] for n, name in enumerate(small)])
    assert sorted(projection.loaded) == sorted(large + small)

    projection.loaded.clear()
    await folding.fold([[patch(100, large[0], {"n": 1})]])
    assert projection.loaded == [large[0]]  # ten of them weigh more than may be remembered

    # However often one is folded, it is remembered once: the small ones stay.
    await folding.fold([[patch(101 + n, large[0], {"n": n})] for n in range(20)])
    await folding.fold([[patch(200 + n, name, {"n": n})] for n, name in enumerate(small)])
    assert projection.loaded == [large[0]]
