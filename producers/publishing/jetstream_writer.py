"""One try at storing facts in a stream, singly or as one atomic batch; nothing is retried here."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from pydantic_core import from_json

from line.jetstream import ErrorCode
from producers.publishing.backlog import PendingFact
from producers.publishing.outcomes import Ack, Conflict, Refused
from producers.publishing.requests import InDoubt, Reply, Requests
from producers.publishing.stored_lookup import StoredLookup
from schemas.facts import MESSAGE_ID
from schemas.positions import Position
from schemas.stored_subjects import entity_filter
from schemas.subjects import partition_of

EXPECTED_LAST: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST_FILTER: Final = "Nats-Expected-Last-Subject-Sequence-Subject"

_IN_PROGRESS: Final = (ErrorCode.MESSAGE_ID_IN_PROGRESS, ErrorCode.SUBJECT_IN_PROGRESS)
_PASSING: Final = (
    *_IN_PROGRESS,
    ErrorCode.WRONG_LAST_SEQUENCE,
    ErrorCode.BATCH_INCOMPLETE,
    ErrorCode.TOO_MANY_BATCHES,
)

Settle = Callable[[PendingFact, Ack | Conflict | Refused], None]
"""Called with a fact's outcome; does nothing if its caller has left."""


class BatchRefused(Exception):
    """The server stored nothing of the batch; each fact may still be fine by itself.

    `error` is what the server says, empty if its answer says nothing of use.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error.get("description", "the server's answer does not match the batch"))
        self.error = error

    @property
    def is_final(self) -> bool:
        """Whether the same batch would be refused again, whatever becomes of the entities' sequences."""
        error = self.error
        return bool(error) and error["code"] < 500 and error["err_code"] not in _PASSING


class JetStreamWriter:
    """Writes one stream. InDoubt means that the facts may be stored or not."""

    def __init__(
        self, requests: Requests, stored_lookup: StoredLookup, *, stream: str, partitions: int
    ) -> None:
        self.stream = stream
        self._requests = requests
        self._stored_lookup = stored_lookup
        self._partitions = partitions

    async def store_singly(
        self, items: Sequence[PendingFact], timeout: float, settle: Settle
    ) -> InDoubt | None:
        """Store facts of different entities, each by itself, within `timeout` seconds.

        `settle` is called with each outcome when it comes. Returns None when every outcome is known, else the
        reason why some are not, even if nobody waits for those any more.
        """
        conflicts: list[tuple[PendingFact, str]] = []
        until = asyncio.get_running_loop().time() + timeout

        def on_reply(place: int, reply: Reply) -> None:
            item = items[place]
            with suppress(Exception):  # an answer that cannot be read leaves its fact in doubt
                outcome = self._outcome(item, reply)
                if isinstance(outcome, str):
                    conflicts.append((item, outcome))
                elif outcome is not None:
                    settle(item, outcome)

        def lines(replies: Sequence[str]) -> bytes:
            return b"".join(
                [self._message(item, "", f"{reply} ") for item, reply in zip(items, replies, strict=True)]
            )

        replies = await self._requests.ask_many(len(items), lines, timeout, on_reply)
        if conflicts:
            left = max(0.1, until - asyncio.get_running_loop().time())
            found = await asyncio.gather(
                *(self._earlier_or_conflict(*conflict, left) for conflict in conflicts)
            )
            for (item, _), outcome in zip(conflicts, found, strict=True):
                if not isinstance(outcome, InDoubt):
                    settle(item, outcome)
        for item, reply in zip(items, replies, strict=True):
            if isinstance(reply, InDoubt):
                return reply
            if item.live:
                return InDoubt("the server could not tell")
        return None

    def _outcome(self, item: PendingFact, reply: Reply) -> Ack | Refused | str | None:
        """Return the outcome in a reply, None where it settles nothing, the server's text for a conflict."""
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

    async def store_batch(self, items: Sequence[PendingFact], timeout: float) -> list[Ack]:
        """Store all facts, with consecutive sequences, or none. Raises InDoubt, BatchRefused and Refused."""
        batch = secrets.token_urlsafe(9)
        *leading, last = items

        def lines(replies: Sequence[str]) -> bytes:
            written = [
                self._message(item, f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {number}\r\n")
                for number, item in enumerate(leading, 1)
            ]
            end = f"Nats-Batch-Id: {batch}\r\nNats-Batch-Sequence: {len(items)}\r\nNats-Batch-Commit: 1\r\n"
            return b"".join([*written, self._message(last, end, f"{replies[0]} ")])

        (reply,) = await self._requests.ask_many(1, lines, timeout)
        if isinstance(reply, InDoubt):
            raise reply
        answer = self._read(reply.data)
        if "error" in answer or answer.get("count") != len(items):
            # A count that does not match says nothing of any fact: single publishes ask again for each.
            raise BatchRefused(answer.get("error", {}))
        first = answer["seq"] - len(items) + 1
        return [self._ack(item, first + offset) for offset, item in enumerate(items)]

    def _message(self, item: PendingFact, batch: str, reply: str = "") -> bytes:
        """Encode one message of the NATS protocol."""
        fact = item.fact
        own = f"{MESSAGE_ID}: {fact.message_id}\r\n"
        if item.expected_last is not None:
            own += f"{EXPECTED_LAST}: {item.expected_last}\r\n"
            own += f"{EXPECTED_LAST_FILTER}: {self._entity_filter(item)}\r\n"
        headers = f"NATS/1.0\r\n{item.headers}{own}{batch}\r\n".encode()
        sizes = f"{len(headers)} {len(headers) + len(fact.body)}"
        return b"%b%b%b\r\n" % (f"HPUB {fact.subject} {reply}{sizes}\r\n".encode(), headers, fact.body)

    def _read(self, data: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = from_json(data)
        if answer.get("stream", self.stream) != self.stream:
            # Another stream binds the subject: this acknowledgement says nothing of ours.
            raise Refused(
                f"stream {answer['stream']} stored it instead of {self.stream}: no other stream may bind "
                f"the subjects of {self.stream}"
            )
        return answer

    def _ack(self, item: PendingFact, sequence: int, *, duplicate: bool = False) -> Ack:
        partition = partition_of(item.fact.subject.id, self._partitions)
        return Ack(Position(self.stream, partition, sequence), duplicate)

    async def _earlier_or_conflict(
        self, item: PendingFact, description: str, timeout: float
    ) -> Ack | Conflict | InDoubt:
        """Tell a conflict from an earlier success of this fact: the server compares sequences before ids."""
        try:
            found = await self.find(item, timeout)
        except InDoubt as doubt:
            return doubt
        return found or Conflict(item.fact, int(description.rpartition(":")[2]))

    async def find(self, item: PendingFact, timeout: float) -> Ack | None:
        """Return where a fact with an expected sequence was stored by an earlier try. Raises InDoubt.

        Had it been stored, it would be the first one of its entity after the expected sequence.
        """
        after = (item.expected_last or 0) + 1
        found = await self._stored_lookup.next(self.stream, self._entity_filter(item), after, timeout)
        if found is None or found.message_id != item.fact.message_id:
            return None
        return self._ack(item, found.sequence, duplicate=True)

    async def last_sequence(self, item: PendingFact, timeout: float) -> int:
        """Return the last sequence of the fact's entity, 0 for none. Raises InDoubt."""
        found = await self._stored_lookup.last(self.stream, self._entity_filter(item), timeout)
        return 0 if found is None else found.sequence

    def _entity_filter(self, item: PendingFact) -> str:
        subject = item.fact.subject
        return entity_filter(subject.site, subject.entity, subject.id, self._partitions)
