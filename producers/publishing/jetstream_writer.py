"""One try at storing facts: as a request, or many as one atomic batch. No waiting, no retrying."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from pydantic_core import from_json

from line.jetstream import ErrorCode
from producers.publishing.backlog import Waiting
from producers.publishing.outcomes import Ack, Conflict, Refused
from producers.publishing.requests import InDoubt, Reply, Requests
from producers.publishing.stored_lookup import StoredLookup
from schemas.facts import MESSAGE_ID
from schemas.positions import Position
from schemas.subjects import entity_filter, partition_of

EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF: Final = "Nats-Expected-Last-Subject-Sequence-Subject"

_IN_PROGRESS: Final = (ErrorCode.MESSAGE_ID_IN_PROGRESS, ErrorCode.SUBJECT_IN_PROGRESS)

Settle = Callable[[Waiting, Ack | Conflict | Refused], None]
"""Told what became of a fact; of one whose caller left, to no effect."""


class BatchRefused(Exception):
    """The server stored nothing of the batch; each fact may still be fine by itself."""


class Wire:
    """How one stream is written. Calls raise InDoubt when it is not known what became of the facts."""

    def __init__(self, requests: Requests, stored: StoredLookup, *, stream: str, partitions: int) -> None:
        self.stream = stream
        self._requests = requests
        self._stored = stored
        self._partitions = partitions

    async def each(self, items: Sequence[Waiting], timeout: float, settle: Settle) -> InDoubt | None:
        """Store facts of different entities, each for itself. `settle` is told of each when its answer comes.

        Answers why, when nothing is known of some, whether or not anybody waits for them.
        """
        conflicts: list[tuple[Waiting, str]] = []
        until = asyncio.get_running_loop().time() + timeout

        def heard(place: int, reply: Reply) -> None:
            item = items[place]
            with suppress(Exception):  # an answer that cannot be read leaves its fact in doubt
                outcome = self._outcome(item, reply)
                if isinstance(outcome, str):
                    conflicts.append((item, outcome))
                elif outcome is not None:
                    settle(item, outcome)

        def lines(replies: Sequence[str]) -> bytes:
            return b"".join(
                [self._line(item, "", f"{reply} ") for item, reply in zip(items, replies, strict=True)]
            )

        replies = await self._requests.ask_with(len(items), lines, timeout, heard)
        if conflicts:
            left = max(0.1, until - asyncio.get_running_loop().time())
            found = await asyncio.gather(*(self._earlier(*conflict, left) for conflict in conflicts))
            for (item, _), outcome in zip(conflicts, found, strict=True):
                if not isinstance(outcome, InDoubt):
                    settle(item, outcome)
        for item, reply in zip(items, replies, strict=True):
            if isinstance(reply, InDoubt):
                return reply
            if item.live:
                return InDoubt("the server could not tell")
        return None

    def _outcome(self, item: Waiting, reply: Reply) -> Ack | Refused | str | None:
        """What a reply means; None: nothing for sure. A text is what the server says of a conflict."""
        try:
            answer = self._read(reply.data)
        except Refused as refused:
            return refused
        if "error" not in answer:
            return self._ack(item, answer["seq"], duplicate=bool(answer.get("duplicate")))
        error = answer["error"]
        if error["err_code"] == ErrorCode.WRONG_LAST_SEQUENCE and item.expected_last is not None:
            return str(error["description"])
        if error["code"] >= 500 or error["err_code"] in _IN_PROGRESS:
            return None
        return Refused(error["description"])

    async def batch(self, items: Sequence[Waiting], timeout: float) -> list[Ack]:
        """Store all or none, with consecutive sequences. Raises InDoubt, BatchRefused."""
        batch = secrets.token_urlsafe(9)
        *leading, last = items

        def lines(replies: Sequence[str]) -> bytes:
            written = [
                self._line(item, f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n")
                for number, item in enumerate(leading, 1)
            ]
            end = f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {len(items)}\r\nNats-Batch-Commit: 1\r\n"
            return b"".join([*written, self._line(last, end, f"{replies[0]} ")])

        (reply,) = await self._requests.ask_with(1, lines, timeout)
        if isinstance(reply, InDoubt):
            raise reply
        answer = self._read(reply.data)
        if "error" in answer or answer.get("count") != len(items):
            # A count that does not match answers for nobody: single publishes ask again for each.
            raise BatchRefused
        first = answer["seq"] - len(items) + 1
        return [self._ack(item, first + offset) for offset, item in enumerate(items)]

    def _line(self, item: Waiting, batch: str, reply: str = "") -> bytes:
        """One message as NATS's protocol has it."""
        fact = item.fact
        mine = f"{MESSAGE_ID}: {fact.message_id}\r\n"
        if item.expected_last is not None:
            mine += f"{EXPECTED}: {item.expected_last}\r\n{EXPECTED_OF}: {self._entity(item)}\r\n"
        headers = f"NATS/1.0\r\n{item.headers}{mine}{batch}\r\n".encode()
        sizes = f"{len(headers)} {len(headers) + len(fact.body)}"
        return b"%b%b%b\r\n" % (f"HPUB {fact.subject} {reply}{sizes}\r\n".encode(), headers, fact.body)

    def _read(self, data: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = from_json(data)
        if answer.get("stream", self.stream) != self.stream:
            # Another stream bound the subject; whose acknowledgement that is, nobody can tell.
            raise Refused(f"stored by stream {answer['stream']} instead of {self.stream}")
        return answer

    def _ack(self, item: Waiting, sequence: int, *, duplicate: bool = False) -> Ack:
        partition = partition_of(item.fact.subject.id, self._partitions)
        return Ack(Position(self.stream, partition, sequence), duplicate)

    async def _earlier(self, item: Waiting, description: str, timeout: float) -> Ack | Conflict | InDoubt:
        """Tell a conflict from our own earlier success: the server compares sequences before message ids.

        Had this very fact been stored, it would be the first one of its entity after the expected sequence.
        """
        after = (item.expected_last or 0) + 1
        try:
            found = await self._stored.next(self.stream, self._entity(item), after, timeout)
        except InDoubt as doubt:
            return doubt
        if found is not None and found.message_id == item.fact.message_id:
            return self._ack(item, found.sequence, duplicate=True)
        return Conflict(int(description.rpartition(":")[2]))

    def _entity(self, item: Waiting) -> str:
        subject = item.fact.subject
        return entity_filter(subject.site, subject.entity, subject.id, self._partitions)
