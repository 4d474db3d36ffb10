"""The one way out of our servers: every fact they publish is acknowledged, synced, and stored once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from producers.publishing.atomic_batch import AtomicBatches
from producers.publishing.backlog import Call, PendingFact
from producers.publishing.deadlines import Deadlines
from producers.publishing.group_commit import GroupCommit
from producers.publishing.jetstream_writer import JetStreamWriter
from producers.publishing.outcomes import Ack, BusUnavailable, Conflict, PublishError, Refused
from producers.publishing.requests import Requests
from producers.publishing.stored_lookup import StoredLookup
from runtime.compat.nats_client import BusClient
from runtime.metrics import PUBLISH_SECONDS, PUBLISHED
from schemas.facts import Fact
from schemas.registry import DECLARED, Registry
from schemas.streams import DUPLICATE_WINDOW_S
from schemas.validation import InvalidFact

__all__ = [
    "Ack",
    "BusUnavailable",
    "Conflict",
    "PublishError",
    "Publisher",
    "Refused",
]

_HEADER_ALLOWANCE: Final = 1024  # bytes that the publisher's own headers may add to a message
_LONGEST_WAIT_S: Final = DUPLICATE_WINDOW_S / 2


class Publisher:
    """Publishes facts in groups over one NATS connection (made with `connect_bus(…, publisher=True)`).

    Facts of one entity are stored in the order in which `publish` was called. `timeout` bounds in seconds
    what a caller waits; it must stay well inside JetStream's window for duplicate message ids. `registry`
    knows the streams.
    """

    def __init__(
        self,
        nc: BusClient,
        *,
        partitions: int,
        timeout: float = 5.0,
        waiting_messages: int = 20_000,
        waiting_bytes: int = 64 << 20,
        registry: Registry = DECLARED,
    ) -> None:
        if timeout > _LONGEST_WAIT_S:
            raise ValueError(
                f"timeout {timeout:g} s is too long: a publish may wait at most {_LONGEST_WAIT_S:.0f} s, for "
                f"retries rely on message ids, which JetStream keeps for {DUPLICATE_WINDOW_S:g} s"
            )
        self.timeout = timeout
        self._nc = nc
        self._closed = False
        self._deadlines = Deadlines()
        requests = Requests(nc)
        self.stored_lookup = StoredLookup(requests)
        writers = {
            stream.name: JetStreamWriter(
                requests, self.stored_lookup, stream=stream.name, partitions=partitions
            )
            for stream in registry.streams
        }
        self._commits = {
            name: GroupCommit(writer, waiting_messages=waiting_messages, waiting_bytes=waiting_bytes)
            for name, writer in writers.items()
        }
        self._atomic = {name: AtomicBatches(writer) for name, writer in writers.items()}
        self._slotted = registry.slotted
        self._streams = {names: fact.stream.name for names, fact in registry.fact_types.items()}

    async def publish(
        self, fact: Fact, *, expected_last: int | None = None, timeout: float | None = None
    ) -> Ack:
        """Store one fact and answer its position.

        `expected_last` is the last sequence of the whole entity in the fact's stream, 0 for none: any other
        one is a Conflict. A fact whose message id is already stored answers the position of the first one.
        Raises InvalidFact, Conflict, Refused, and BusUnavailable when `timeout` (or the publisher's) ran out.
        """
        call = self._call(1, timeout)
        stream = self._stream_name(fact)
        item = self._pending(fact, call, expected_last)
        await self._carry(call, {stream: [item]})
        outcome = _outcome(item)
        if isinstance(outcome, Ack):
            return outcome
        raise outcome

    async def publish_many(
        self, facts: Sequence[Fact], *, timeout: float | None = None
    ) -> list[Ack | PublishError]:
        """Store facts and answer one outcome each; the facts of one entity are stored in this order.

        The call is not atomic: some facts may be stored and others not. `timeout` bounds the whole call.
        Raises InvalidFact, having published nothing, when there is no stream for one of them.
        """
        call = self._call(len(facts), timeout)
        items = [self._pending(fact, call, None) for fact in facts]
        by_stream: dict[str, list[PendingFact]] = {}
        for item in items:
            by_stream.setdefault(self._stream_name(item.fact), []).append(item)
        if items:
            await self._carry(call, by_stream)
        return [_outcome(item) for item in items]

    async def publish_atomically(
        self, expecting: Sequence[tuple[Fact, int]], *, timeout: float | None = None
    ) -> list[Ack]:
        """Store facts of several entities of one stream, all of them or none, and answer their positions.

        Each comes with the last sequence of its entity, 0 for none; an entity may be there once, and a family
        with slots not at all. If any is at another sequence, nothing is stored and the Conflict says which.
        A retry under the same message ids answers the positions of the first try. Raises InvalidFact,
        Conflict, Refused, and BusUnavailable, after which the facts are stored or not, but all alike.
        """
        call = self._call(len(expecting), timeout)
        items = [self._pending(fact, call, expected_last) for fact, expected_last in expecting]
        stream = self._shared_stream(items)
        started = asyncio.get_running_loop().time()
        outcome: Ack | Exception | None = None
        try:
            acks = await self._atomic[stream].store(items, call.deadline)
            outcome = acks[0]
        except PublishError as exc:
            outcome = exc
            raise
        finally:
            PUBLISH_SECONDS.observe(asyncio.get_running_loop().time() - started, stream)
            for _ in items:
                PUBLISHED.add(stream, _outcome_label(outcome))
        return acks

    async def aclose(self) -> None:
        """Refuse new facts and wait for those under way; the bounds of their callers end that."""
        self._closed = True
        for commit in self._commits.values():
            await commit.drain()
        for batches in self._atomic.values():
            await batches.drain()

    async def _carry(self, call: Call, by_stream: Mapping[str, Sequence[PendingFact]]) -> None:
        """Submit the facts and wait until each has its outcome, or the call ran out of time."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._deadlines.watch(call)
        try:
            for stream, items in by_stream.items():
                await self._commits[stream].submit(items)
            await call.done
        except TimeoutError:
            pass  # no capacity in time: the outcomes say so
        finally:
            self._deadlines.leave(call)
            for stream, items in by_stream.items():
                self._commits[stream].abandon(items)
        for stream, items in by_stream.items():
            PUBLISH_SECONDS.observe(loop.time() - started, stream)
            for item in items:
                PUBLISHED.add(stream, _outcome_label(item.outcome))

    def _call(self, facts: int, timeout: float | None) -> Call:
        if self._closed:
            raise BusUnavailable("this process is shutting down")
        bound = self.timeout if timeout is None else min(timeout, _LONGEST_WAIT_S)
        return Call(facts, asyncio.get_running_loop().time() + bound)

    def _pending(self, fact: Fact, call: Call, expected_last: int | None) -> PendingFact:
        headers = "".join([f"{name}: {value}\r\n" for name, value in fact.headers.items()])
        if headers.count("\n") > len(fact.headers) or headers.count("\r") > len(fact.headers):
            raise InvalidFact("invalid_header", "a header holds a line break: it must be one line")
        size = len(fact.body) + len(headers)
        if size + _HEADER_ALLOWANCE > self._nc.max_payload:
            raise InvalidFact(
                "too_large",
                f"the fact has {size} bytes with its headers, at most "
                f"{self._nc.max_payload - _HEADER_ALLOWANCE} are allowed by the NATS server",
            )
        return PendingFact(fact, call, headers, size, expected_last)

    def _shared_stream(self, items: Sequence[PendingFact]) -> str:
        """Return the one stream of facts that are stored together. Raises ValueError where they cannot be."""
        streams = {self._stream_name(item.fact) for item in items}
        entities = {item.entity for item in items}
        slotted = any(entity in self._slotted for _, entity, _ in entities)
        if len(streams) != 1 or len(entities) < len(items) or slotted:
            raise ValueError(
                "facts that are stored together are of one stream, one fact of each entity, and none of a "
                "family with slots"
            )
        return streams.pop()

    def _stream_name(self, fact: Fact) -> str:
        subject = fact.subject
        try:
            return self._streams[subject.entity, subject.fact]
        except KeyError:
            # Left to the server it would look like a cluster without a leader.
            raise InvalidFact("unknown_fact", f"no stream keeps {subject}") from None


def _outcome(item: PendingFact) -> Ack | PublishError:
    outcome = item.outcome
    if isinstance(outcome, Ack | PublishError):
        return outcome
    raise RuntimeError(f"publishing {item.fact.subject} failed") from outcome


def _outcome_label(outcome: Ack | Exception | None) -> str:
    """Return the name of an outcome in the metrics."""
    if isinstance(outcome, Ack):
        return "duplicate" if outcome.duplicate else "stored"
    if isinstance(outcome, BusUnavailable):
        return "unavailable"
    if isinstance(outcome, Conflict):
        return "conflict"
    return "refused" if isinstance(outcome, Refused) else "failed"
