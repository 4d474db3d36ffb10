"""Sessions with a large state: patches do not hold up the process, and memory stays bounded."""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

import consumers.engine.batch
import consumers.engine.state_cache
import projections.sessions.projection
import projections.state_store
import projections.state_table
import runtime.process.time_slice
from consumers.engine.handler import NotYet
from projections.projection import Key
from projections.sessions.projection import SessionsProjection
from projections.sessions.state import Session
from runtime.database.connections import Connection
from tests.reference.published import Published
from tests.support.folding import Folding

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def patch(seq: int, session_id: str, state: object) -> Published:
    body = json.dumps(state).encode()
    return Published(f"ev.local.session.{session_id}.state", body, seq, NOON + timedelta(milliseconds=seq))


class Alone:
    """Counts how often work is done before anybody else has a turn; a clock would measure the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime.process.time_slice, "_SLICE_S", 0.0)  # every slice is over at once
        self._patch = monkeypatch
        self.counts: list[int] = []

    def count(self, module: ModuleType, name: str) -> None:
        """Count the calls of `module`'s function `name`, from now on."""
        work = getattr(module, name)

        def counted(*args: object) -> object:
            self.counts[-1] += 1
            return work(*args)

        self._patch.setattr(module, name, counted)

    async def watch(self, folding: Coroutine[object, object, None]) -> None:
        """Have a turn whenever `folding` lets others run, and begin a new count."""
        self.counts = [0]
        work = asyncio.create_task(folding)
        while not work.done():
            await asyncio.sleep(0)
            if self.counts[-1]:
                self.counts.append(0)
        await work


@pytest.mark.parametrize(
    ("module", "name"), [(consumers.engine.batch, "decode_event"), (projections.sessions.projection, "fold")]
)
async def test_patches_of_a_large_state_let_others_run(
    db: Connection, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    folding = Folding(db)
    await folding.start_over()
    keys = 100_000
    large = [
        patch(n, "S1", {f"k{key}": key for key in range(start, start + 50_000)})
        for n, start in enumerate(range(0, keys, 50_000), 1)
    ]
    await folding.fold([large])
    batch = [patch(n, "S1", {"status": n}) for n in range(10, 110)]
    alone = Alone(monkeypatch)
    alone.count(module, name)
    await alone.watch(folding.fold([batch], ahead=False))
    assert sum(alone.counts) == 100
    assert max(alone.counts) == 1
    cursor = await db.execute("select state->'status', state->'k99999' from sessions.session")
    assert await cursor.fetchall() == [(109, 99_999)]


@pytest.mark.parametrize("name", ["json_text", "from_json"])
async def test_large_states_are_written_and_loaded_while_others_run(
    db: Connection, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folding = Folding(db)
    await folding.start_over()
    state = {f"k{key}": key for key in range(20_000)}
    await folding.fold([[patch(n, f"S{n}", state) for n in range(1, 6)]])
    folding.projector.forget()  # so that they are loaded
    alone = Alone(monkeypatch)
    alone.count(projections.state_table, name)
    await alone.watch(folding.fold([[patch(10 + n, f"S{n}", {"k0": "new"}) for n in range(1, 6)]]))
    assert sum(alone.counts) == 5
    assert max(alone.counts) == 1
    cursor = await db.execute("select state from sessions.session")
    assert await cursor.fetchall() == [(state | {"k0": "new"},)] * 5


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
    monkeypatch.setattr(consumers.engine.state_cache, "_WEIGHT", 1 << 20)
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


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
async def test_large_states_are_not_in_memory_together(
    db: Connection, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """A batch that needs more of them than may be loaded together comes in halves, and ends the same."""
    projection = Counting()
    folding = Folding(db, projection)
    await folding.start_over()
    await folding.fold([[patch(n, f"S{n}", {"text": "x" * 1000})] for n in range(1, 17)])
    last = [patch(20 + n, f"S{n}", {"n": n}) for n in range(1, 17)]
    monkeypatch.setattr(projections.state_store, "_MOST_LOADED", 3_000)
    folding.projector.forget()
    if together:
        with pytest.raises(NotYet):  # the engine delivers them again
            await folding.fold([last], together=True, cold=[0])
    await folding.fold([last], together=together, cold=[0])
    cursor = await db.execute("select id, state->>'n', length(state->>'text') from sessions.session")
    assert sorted(await cursor.fetchall()) == sorted((f"S{n}", str(n), 1000) for n in range(1, 17))
    assert await folding.rejected() == set()


async def test_one_state_is_always_loaded(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections.state_store, "_MOST_LOADED", 1)
    folding = Folding(db)
    await folding.start_over()
    await folding.fold(
        [[patch(1, "S1", {"a": 1})], [patch(2, "S1", {"b": 1}), patch(3, "S1", {"c": 1})]], cold=[1]
    )
    cursor = await db.execute("select state from sessions.session")
    assert await cursor.fetchall() == [({"a": 1, "b": 1, "c": 1},)]
