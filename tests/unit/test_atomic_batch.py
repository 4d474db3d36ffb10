"""A batch in doubt, stored at any moment while its outcome is looked up: the answer is the same."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from producers.publishing.atomic_batch import AtomicBatches
from producers.publishing.backlog import Call, PendingFact
from producers.publishing.jetstream_writer import JetStreamWriter
from producers.publishing.outcomes import Ack, Conflict
from producers.publishing.requests import InDoubt
from schemas.facts import Fact
from schemas.positions import Position
from schemas.subjects import Subject


class Writer:
    """A stream in memory. The answer to the first batch is lost; it lands before the question `lands_at`.

    `rival`: an entity to which somebody else adds a fact just before that.
    """

    stream = "SESSIONS"

    def __init__(self, lands_at: int, rival: str | None = None) -> None:
        self.kept: list[tuple[str, str]] = []  # id of the entity, id of the message
        self.batches = 0
        self._lands_at = lands_at
        self._rival = rival
        self._on_its_way: Sequence[PendingFact] | None = None
        self._questions = 0

    async def store_batch(self, items: Sequence[PendingFact], timeout: float) -> list[Ack]:
        self.batches += 1
        if self.batches == 1:
            self._on_its_way = items
            raise InDoubt("no answer")
        self._land(self._on_its_way or ())
        if not self._land(items):
            raise InDoubt("refused for its sequences, and the answer is lost as well")
        return [Ack(Position(self.stream, 0, len(self.kept)), duplicate=False)] * len(items)

    async def find(self, item: PendingFact, timeout: float) -> Ack | None:
        self._ask()
        after = [at for at, (one, _) in self._of(item) if at > (item.expected_last or 0)]
        if not after or self.kept[after[0] - 1][1] != item.fact.message_id:
            return None
        return Ack(Position(self.stream, 0, after[0]), duplicate=True)

    async def last_sequence(self, item: PendingFact, timeout: float) -> int:
        self._ask()
        return max((at for at, _ in self._of(item)), default=0)

    def _of(self, item: PendingFact) -> list[tuple[int, tuple[str, str]]]:
        return [(at, one) for at, one in enumerate(self.kept, 1) if one[0] == item.fact.subject.id]

    def _ask(self) -> None:
        if self._questions == self._lands_at and self._on_its_way is not None:
            if self._rival is not None:
                self.kept.append((self._rival, "rival"))
            self._land(self._on_its_way)
            self._on_its_way = None
        self._questions += 1

    def _land(self, items: Sequence[PendingFact]) -> bool:
        free = all(max((at for at, _ in self._of(one)), default=0) == one.expected_last for one in items)
        if free:
            self.kept += [(item.fact.subject.id, item.fact.message_id) for item in items]
        return free


def batch(*ids: str) -> list[PendingFact]:
    call = Call(len(ids), asyncio.get_running_loop().time() + 10)
    facts = [Fact(Subject("local", "session", one, "event"), b"{}", f"auto:{one}", {}) for one in ids]
    return [PendingFact(fact, call, "", 2, 0) for fact in facts]


async def store(writer: Writer) -> list[Ack]:
    deadline = asyncio.get_running_loop().time() + 10
    return await AtomicBatches(cast(JetStreamWriter, writer)).store(batch("a", "b", "c"), deadline)


@pytest.mark.parametrize("lands_at", range(8))
async def test_a_batch_that_lands_while_it_is_looked_up_is_stored_once(lands_at: int) -> None:
    writer = Writer(lands_at)
    await store(writer)
    assert writer.kept == [("a", "auto:a"), ("b", "auto:b"), ("c", "auto:c")]


@pytest.mark.parametrize("rival", ["a", "b", "c"])
@pytest.mark.parametrize("lands_at", range(3))
async def test_a_rival_that_lands_first_is_named(lands_at: int, rival: str) -> None:
    writer = Writer(lands_at, rival)
    (outcome,) = await asyncio.gather(store(writer), return_exceptions=True)
    assert isinstance(outcome, Conflict)
    assert (outcome.fact.subject.id, outcome.last) == (rival, 1)
    assert writer.kept == [(rival, "rival")]
