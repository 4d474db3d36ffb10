"""Facts that wait for their batch, queued by entity so that each entity's facts keep their order."""

import asyncio
from collections.abc import Iterable
from typing import Final

from producers.publishing.outcomes import Ack, BusUnavailable
from schemas.facts import Fact

EntityAddress = tuple[str, str, str]
"""Site, entity and id: facts with the same address are stored in the order of their submission."""

_TOO_LATE: Final = "the event stream did not acknowledge in time"


class Call:
    """A caller that waits, until `deadline` on the loop's clock, for the outcomes of its facts.

    One future serves all facts: a future for each costs more than writing the fact to the line.
    """

    __slots__ = ("_left", "deadline", "done")

    def __init__(self, facts: int, deadline: float) -> None:
        self.deadline = deadline
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = facts

    def count_outcome(self) -> None:
        """Count one more outcome; the last one ends the call."""
        self._left -= 1
        if not self._left:
            self.end()

    def end(self) -> None:
        """Let the caller go on, with or without all outcomes."""
        if not self.done.done():
            self.done.set_result(None)


class PendingFact:
    """One fact of a call. Its outcome is final: once there is one, nothing more may be sent for the fact."""

    __slots__ = (
        "alone",
        "call",
        "entity",
        "expected_last",
        "fact",
        "headers",
        "outcome",
        "size",
        "submitted",
    )

    def __init__(self, fact: Fact, call: Call, headers: str, size: int, expected_last: int | None) -> None:
        self.fact = fact
        self.call = call
        self.headers = headers  # the fact's, as lines of a header block
        self.size = size  # body and headers, bytes
        self.expected_last = expected_last
        self.entity: EntityAddress = fact.subject.address
        self.outcome: Ack | Exception | None = None
        self.alone = False  # would get a whole batch refused
        self.submitted = False  # takes capacity

    @property
    def live(self) -> bool:
        """Whether the caller still waits for the outcome."""
        return self.outcome is None

    def settle(self, outcome: Ack | Exception) -> None:
        """Give a live fact its outcome, and tell its caller."""
        self.outcome = outcome
        self.call.count_outcome()

    def give_up(self) -> None:
        """Mark a live fact as left by its caller: it is not sent any more; a try under way stays in doubt."""
        self.outcome = BusUnavailable(_TOO_LATE)


class Backlog:
    """Queues by entity. An entity whose facts are under way is busy: its later facts wait for those."""

    def __init__(self) -> None:
        self._queues: dict[EntityAddress, dict[PendingFact, None]] = {}
        self._busy: set[EntityAddress] = set()

    def __bool__(self) -> bool:
        """Whether any fact waits, be it only for its busy entity."""
        return bool(self._queues)

    def add(self, item: PendingFact) -> None:
        """Queue a fact behind those of its entity."""
        queue = self._queues.get(item.entity)
        if queue is None:
            self._queues[item.entity] = {item: None}
        else:
            queue[item] = None

    def remove(self, item: PendingFact) -> None:
        """Forget a fact whose caller left; a fact that was taken already is not here any more."""
        queue = self._queues.get(item.entity)
        if queue is not None and item in queue:
            del queue[item]
            if not queue:
                del self._queues[item.entity]

    def take(self, *, messages: int, size: int) -> list[PendingFact]:
        """Take the next batch, from entities that are not busy; they are busy from here until `release`.

        The batch has at least one fact if any may be sent, and otherwise stays within both bounds.
        """
        batch: list[PendingFact] = []
        left = size
        for entity in list(self._queues):
            if len(batch) >= messages or left <= 0:
                break
            if entity in self._busy:
                continue
            queue = self._queues[entity]
            taken = _leading(queue, messages - len(batch), left, first=not batch)
            if not taken:
                continue
            batch += taken
            self._busy.add(entity)
            del self._queues[entity]
            if len(taken) < len(queue):
                for item in taken:
                    del queue[item]
                self._queues[entity] = queue  # behind the others: no entity starves them
            for item in taken:
                left -= item.size
            if taken[0].alone:
                break
        return batch

    def release(self, batch: Iterable[PendingFact]) -> None:
        """Let the entities of a batch that is over join the next one."""
        self._busy.difference_update([item.entity for item in batch])


def _leading(queue: Iterable[PendingFact], messages: int, size: int, *, first: bool) -> list[PendingFact]:
    """Return the head of one entity's queue that may join a batch; `first`: the batch is still empty."""
    taken: list[PendingFact] = []
    ids: set[str] = set()
    for item in queue:
        if item.fact.message_id in ids:
            item.alone = True
        if item.alone:
            return [item] if first and not taken else taken
        # The server checks an expected sequence against what is stored, not against the batch before it.
        if item.expected_last is not None and taken:
            return taken
        size -= item.size
        if len(taken) >= messages or (size < 0 and (taken or not first)):
            return taken
        taken.append(item)
        ids.add(item.fact.message_id)
        if item.expected_last is not None:
            return taken
    return taken
