"""Any owners, any crash point: whoever folds what, and however a batch ends, the rows are the same."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.engine.leases import NOBODY, Fenced, Leases, Reached
from consumers.engine.projector import Projector
from foldline.settings import Settings
from projections.catalogue import PROJECTIONS
from runtime.database.connections import Connection, connect
from tests.property.strategies import fact_lists
from tests.reference.published import Published
from tests.support.examples import examples
from tests.support.folding import Folding, raw_event
from tests.support.settings import PARTITIONS

OWNERS = 3
ENDS = ("commits", "is cut", "forgets", "is taken over")


class CutError(Exception):
    """The owner dies after its last statement and before its commit."""


class CutLeases(Leases):
    """Leases whose fence, the last statement of a batch, is as far as it comes."""

    cutting = False

    async def fence(self, writer: Connection, reached: Reached) -> None:
        await super().fence(writer, reached)
        if self.cutting:
            raise CutError


class Owner:
    """One replica: real leases, and a projector with a memory of its own."""

    def __init__(self, name: str, writer: Connection, control: Connection) -> None:
        self.writer, self.control = writer, control
        self.leases = CutLeases("sessions", name, PARTITIONS, ttl=3600, version=PROJECTIONS[0].version)
        self.projector = Projector(PROJECTIONS[0])

    async def take_over(self) -> None:
        """Everybody else seems dead; what is held is taken again, at the checkpoints of the rows."""
        self.forget()
        await self.control.execute("delete from foldline.replica")
        # No backend stays named: a successor would end it, and these connections are used again.
        await self.control.execute("update foldline.lease set until = '-infinity', backend_pid = null")
        await self.leases.refresh(self.control, NOBODY)
        assert len(self.leases.held) == PARTITIONS

    def forget(self) -> None:
        """A crash: everything in memory is gone."""
        self.leases.held = {}
        self.projector.forget()

    async def fold(self, facts: Sequence[Published], size: int, *, cut: bool = False) -> None:
        """One batch of what the checkpoints leave to do, as readers deliver it. Raises Fenced, CutError."""
        held = self.leases.held
        events = [raw_event(one) for one in facts]
        due = [one for one in events if one.sequence > held[one.partition].sequences.get(one.stream, 0)]
        if due:
            self.leases.cutting = cut
            await self.projector.apply(self.writer, due[:size], self.leases)


class Owners:
    """Some replicas of one read model; one at a time believes to be alone."""

    def __init__(self, model: Folding, replicas: list[Owner]) -> None:
        self.model = model
        self.replicas = replicas

    async def start_over(self) -> None:
        """Nothing folded, nobody owns anything."""
        for replica in self.replicas:
            replica.forget()
        self.model.leases.held = {}
        await self.model.conn.execute("delete from foldline.replica")
        await self.model.conn.execute("update foldline.lease set until = '-infinity', backend_pid = null")
        await self.model.start_over()

    async def turn(self, facts: list[Published], number: int, size: int, end: str) -> None:
        """A replica folds a batch if it can, and something becomes of it."""
        owner = self.replicas[number]
        if not owner.leases.held:
            for other in self.replicas:
                other.forget()
            await owner.take_over()
        if end == "is taken over":
            await self.replicas[(number + 1) % len(self.replicas)].take_over()
        try:
            await owner.fold(facts, size, cut=end == "is cut")
        except CutError:
            assert end == "is cut"
            owner.forget()
        except Fenced:
            assert end == "is taken over"
            owner.forget()
        else:
            if end != "commits":
                owner.forget()

    async def finish(self, facts: list[Published]) -> None:
        """The first replica takes over and folds what is left."""
        await self.replicas[0].take_over()
        await self.replicas[0].fold(facts, len(facts))
        self.model.saw(facts)


@pytest.fixture(scope="module")
async def alone(new_database: Callable[[], str]) -> AsyncIterator[Folding]:
    async with await connect(
        Settings(_env_file=None, database_url=new_database()), name="test-alone"
    ) as conn:
        yield Folding(conn)


@pytest.fixture(scope="module")
async def owners(new_database: Callable[[], str]) -> AsyncIterator[Owners]:
    at = Settings(_env_file=None, database_url=new_database())
    async with AsyncExitStack() as stack:

        async def opened() -> Connection:
            return await stack.enter_async_context(await connect(at, name="test-owners"))

        replicas = [Owner(f"owner-{n}", await opened(), await opened()) for n in range(OWNERS)]
        yield Owners(Folding(await opened()), replicas)


TURNS = st.lists(
    st.tuples(st.integers(0, OWNERS - 1), st.integers(1, 6), st.sampled_from(ENDS)), min_size=2, max_size=12
)


@examples(40)
@given(facts=fact_lists(min_size=8), turns=TURNS)
async def test_any_owners_and_any_crash_points_give_the_same_rows(
    alone: Folding, owners: Owners, facts: list[Published], turns: list[tuple[int, int, str]]
) -> None:
    await alone.start_over()
    await alone.fold([facts])
    await owners.start_over()
    for number, size, end in turns:
        await owners.turn(facts, number, size, end)
    await owners.finish(facts)
    assert await owners.model.rows() == await alone.rows()
