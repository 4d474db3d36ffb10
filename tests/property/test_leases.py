"""Leases whatever the order of refreshing, working, hanging and leaving: one owner at a time commits."""

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.errors import AdminShutdown, UniqueViolation

from consumers.engine.leases import Fenced, Leases, Reached, identify
from foldline.settings import Settings
from projections.sessions.fold import VERSION
from runtime.database.connections import Connection, connect
from tests.support.examples import examples
from tests.support.settings import PARTITIONS

FOLLOWER = "sessions"
OWNERS = ("a", "b", "c")
_ROUNDS = 5  # refreshes of everybody until all is shared: what is given up in one is taken in the next
T = TypeVar("T")

owners = st.sampled_from(OWNERS)


class Database:
    """Connections of all owners on a loop of their own; the machine's rules are synchronous."""

    def __init__(self, dsn: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.settings = Settings(_env_file=None, database_url=dsn)
        self.admin = self.open()
        self.admin_do(
            "create table ledger (part int, seq bigint, epoch bigint, owner text, primary key (part, seq))"
        )

    def open(self) -> Connection:
        return self.run(connect(self.settings, name="test-leases"))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def admin_do(self, statement: str, *values: Any) -> list[Any]:
        async def execute() -> list[Any]:
            cursor = await self.admin.execute(statement.encode(), values or None)
            return await cursor.fetchall() if cursor.description else []

        return self.run(execute())

    def close(self) -> None:
        self.run(self.admin.close())
        self.loop.close()


class Replica:
    """One owner: its leases, and two connections as a follower has them."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.leases = Leases(FOLLOWER, name, PARTITIONS, ttl=3600, version=VERSION)
        self.control, self.writer = database.open(), database.open()
        self.backend = database.run(identify(self.writer))

    def reconnect(self) -> None:
        """As the follower does: a new writing connection, and nothing remembered."""
        self.database.run(self.writer.close())
        self.writer = self.database.open()
        self.backend = self.database.run(identify(self.writer))
        self.leases.held = {}

    def refresh(self) -> None:
        moved = self.database.run(self.leases.refresh(self.control, self.backend))
        if moved.surplus:
            self.database.run(self.leases.release(self.control, moved.surplus))

    async def commit(self, parts: list[int], epochs: dict[int, int]) -> None:
        """One batch: the next number of each partition, and the fence."""
        held = self.leases.held
        numbers = {part: held[part].sequences.get("S", 0) + 1 for part in parts}
        reached = Reached(
            {part: {"S": number} for part, number in numbers.items()}, epochs, datetime.now(UTC)
        )
        async with self.writer.transaction():
            for part, number in numbers.items():
                await self.writer.execute(
                    b"insert into ledger values (%s, %s, %s, %s)",
                    (part, number, epochs[part], self.leases.owner),
                )
            await self.leases.fence(self.writer, reached)
        self.leases.advance(reached)


class World:
    """Three replicas and their database, fresh for every example."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.admin_do("truncate ledger, foldline.replica")
        database.admin_do(
            "update foldline.lease set owner = null, until = '-infinity', seqs = '{}', epoch = 0"
        )
        self.replicas = {name: Replica(database, name) for name in OWNERS}
        self.disturbed: set[str] = set()

    def refresh(self, name: str) -> None:
        self.replicas[name].refresh()

    def work(self, name: str) -> None:
        """A batch over all that it believes to hold."""
        self._work(name, sorted(self.replicas[name].leases.held))

    def work_on_some(self, name: str) -> None:
        """A batch over a few of them."""
        self._work(name, sorted(self.replicas[name].leases.held)[::3])

    def _work(self, name: str, parts: list[int]) -> None:
        replica = self.replicas[name]
        if not parts:
            return
        held = replica.leases.held
        may = all(self.row(part) == (name, held[part].epoch) for part in parts)
        try:
            self.database.run(replica.commit(parts, replica.leases.epochs(parts)))
        except (Fenced, UniqueViolation):
            assert not may
            replica.leases.held = {}  # as the follower does
        except AdminShutdown:
            assert name in self.disturbed  # only who seemed to hang is ended by a successor
            replica.reconnect()
        else:
            assert may

    def hang(self, name: str) -> None:
        """It is silent for longer than its leases live."""
        self.disturbed.add(name)
        self.database.admin_do(
            "update foldline.lease set until = clock_timestamp() - interval '1 s' where owner = %s", name
        )
        self.database.admin_do(
            "update foldline.replica set until = clock_timestamp() - interval '1 s' where owner = %s", name
        )

    def clock_goes_back(self, name: str) -> None:
        self.disturbed.add(name)
        self.database.admin_do(
            "update foldline.lease set until = until + interval '1 day' where owner = %s", name
        )

    def forget(self, name: str) -> None:
        """A batch failed: everything in memory is void."""
        self.replicas[name].leases.held = {}

    def leave(self, name: str) -> None:
        replica = self.replicas[name]
        self.database.run(replica.leases.leave(replica.control))

    def settle(self, live: set[str]) -> None:
        """When nothing happens for a while, the live ones share everything fairly."""
        for name in set(OWNERS) - live:
            self.hang(name)
        for _ in range(_ROUNDS):
            for name in sorted(live):
                self.replicas[name].refresh()
        counts = sorted(len(self.replicas[name].leases.held) for name in live)
        assert sum(counts) == PARTITIONS
        assert counts[-1] - counts[0] <= 1
        rows = self.database.admin_do("select part, owner from foldline.lease where follower = %s", FOLLOWER)
        for part, owner in rows:
            assert part in self.replicas[owner].leases.held

    def nothing_is_lost_or_repeated(self) -> None:
        """Each partition's numbers follow one another, up to its checkpoint; an epoch has one owner."""
        ledger = self.database.admin_do(
            "select l.part, array_agg(g.seq order by g.seq), coalesce((l.seqs->>'S')::bigint, 0) "
            "from foldline.lease l join ledger g using (part) where follower = %s "
            "group by l.part, l.seqs",
            FOLLOWER,
        )
        for part, numbers, checkpoint in ledger:
            assert numbers == list(range(1, checkpoint + 1)), part
        owners_of_epoch = self.database.admin_do(
            "select part, epoch from ledger group by part, epoch having count(distinct owner) > 1"
        )
        assert owners_of_epoch == []

    def row(self, part: int) -> tuple[str, int]:
        ((owner, epoch),) = self.database.admin_do(
            "select owner, epoch from foldline.lease where follower = %s and part = %s", FOLLOWER, part
        )
        return owner, epoch

    def close(self) -> None:
        for replica in self.replicas.values():
            self.database.run(replica.control.close())
            self.database.run(replica.writer.close())


@pytest.fixture
def lease_database(database: str) -> Iterator[Database]:
    opened = Database(database)
    yield opened
    opened.close()


class LeaseMachine(RuleBasedStateMachine):
    """Anything in any order. Its clock are the lease rows' own times, moved instead of waited for."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.world = World(database)

    @rule(name=owners)
    def refresh(self, name: str) -> None:
        self.world.refresh(name)

    @rule()
    def all_refresh(self) -> None:
        for name in OWNERS:
            self.world.refresh(name)

    @rule(name=owners)
    def work(self, name: str) -> None:
        self.world.work(name)

    @rule(name=owners)
    def work_on_some(self, name: str) -> None:
        self.world.work_on_some(name)

    @rule(name=owners)
    def hang(self, name: str) -> None:
        self.world.hang(name)

    @rule(name=owners)
    def clock_goes_back(self, name: str) -> None:
        self.world.clock_goes_back(name)

    @rule(name=owners)
    def forget(self, name: str) -> None:
        self.world.forget(name)

    @rule(name=owners)
    def leave(self, name: str) -> None:
        self.world.leave(name)

    @rule(live=st.sets(owners, min_size=1))
    def settle(self, live: set[str]) -> None:
        self.world.settle(live)
        for name in sorted(live):
            self.world.work(name)

    @invariant()
    def nothing_is_lost_or_repeated(self) -> None:
        self.world.nothing_is_lost_or_repeated()

    def teardown(self) -> None:
        self.world.close()


def test_one_owner_at_a_time_commits(lease_database: Database) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        partial(LeaseMachine, lease_database), settings=examples(60, stateful_step_count=30)
    )
