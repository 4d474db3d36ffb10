"""Data that only PostgreSQL finds fault with: the one event is set aside, all others apply."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projections.install import install
from projections.projection import Projection, StateKey
from projections.recorded import Recorded
from runtime.database.connections import Connection
from schemas.sessions.facts import SessionEvent
from schemas.sessions.streams import SESSIONS
from tests.reference.published import Published
from tests.support.folding import Folding
from tests.support.settings import PARTITIONS

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Numbers(Projection[int, list[Any]]):
    """A projection whose table takes only what reads as a number."""

    name = "numbers"
    version = 1
    streams = (SESSIONS,)
    entity = "session"
    facts = frozenset({"event"})

    def schema_sql(self) -> str:
        return f"create table {self.schema}.number (seq bigint primary key, part int, n int)"

    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        return ()

    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, int]:
        return {}

    def weight(self, state: Any) -> int:
        return 1

    def changes(self) -> list[Any]:
        return []

    def fold(self, states: dict[StateKey, int | None], event: Recorded, changes: list[Any]) -> None:
        assert isinstance(event.body, SessionEvent)
        changes.append((event.sequence, event.partition, event.body.name))

    async def write(self, conn: Connection, changes: list[Any]) -> None:
        for row in changes:
            await conn.execute(f"insert into {self.schema}.number values (%s, %s, %s::text::int)", row)

    async def store(self, conn: Connection, states: Mapping[StateKey, int | None]) -> None:
        """There are none."""


@pytest.fixture
async def folding(db: Connection) -> Folding:
    projection = Numbers()
    await install(db, projection, PARTITIONS)
    made = Folding(db, projection)
    await made.take_leases()
    return made


def facts(*names: str) -> list[Published]:
    return [
        Published(
            f"ev.local.session.S{n % 5}.event",
            b'{"name":"%b"}' % name.encode(),
            n,
            NOON + timedelta(seconds=n),
            {"Nats-Msg-Id": f"id{n}"},
        )
        for n, name in enumerate(names, 1)
    ]


async def numbers(db: Connection) -> list[int]:
    return [n for (n,) in await (await db.execute("select n from numbers.number order by seq")).fetchall()]


async def rejected(db: Connection) -> list[tuple[int, str]]:
    cursor = await db.execute("select seq, reason from numbers.rejected order by seq")
    return [(seq, reason) for seq, reason in await cursor.fetchall()]


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["one"], [1]),
        (["1", "2", "three", "4", "5"], [3]),
        (["one", "2", "3", "four"], [1, 4]),
        (["one", "two", "three"], [1, 2, 3]),
        (["1", str(2**40), "3"], [2]),
    ],
)
async def test_only_what_is_refused_is_set_aside(
    folding: Folding, db: Connection, names: list[str], refused: list[int]
) -> None:
    await folding.fold([facts(*names)])
    assert await rejected(db) == [(seq, "refused_by_database") for seq in refused]
    assert await numbers(db) == [int(name) for n, name in enumerate(names, 1) if n not in refused]
    checkpoints = await db.execute(
        "select sum((seqs->>'SESSIONS')::int), max((seqs->>'SESSIONS')::int) "
        "from foldline.lease where follower = 'numbers'"
    )
    _, highest = await checkpoints.fetchone() or (0, 0)
    assert highest == len(names)


async def test_a_refused_event_leaves_its_message_id_free(folding: Folding, db: Connection) -> None:
    (bad,) = facts("one")
    good = Published(bad.subject, b'{"name":"1"}', 2, bad.stored_at + timedelta(hours=1), bad.headers)
    await folding.fold([[bad], [good]])
    assert await numbers(db) == [1]
