"""The one way out of our servers: every fact we put on the line is acknowledged, synced, and there once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

from producers.backlog import Waiting
from producers.checked import checked_fact
from producers.group_commit import GroupCommit
from producers.outcomes import Ack, BusUnavailable, Conflict, PublishError, Refused
from producers.requests import Requests
from producers.stored import StoredFacts
from producers.wire import Wire
from runtime.metrics import PUBLISH_SECONDS, PUBLISHED
from runtime.sinks import BusClient
from schemas.facts import Fact
from schemas.streams import DUPLICATE_WINDOW_S, STREAMS, stream_of
from schemas.validation import InvalidFact

__all__ = [
    "Ack",
    "BusUnavailable",
    "Conflict",
    "Fact",
    "InvalidFact",
    "PublishError",
    "Publisher",
    "Refused",
    "checked_fact",
]

_HEADERS_ROOM: Final = 1024  # what the publisher's own headers may add to a message, bytes
_LONGEST: Final = DUPLICATE_WINDOW_S / 2

_published = cache(PUBLISHED.labels)
_seconds = cache(PUBLISH_SECONDS.labels)


class Publisher:
    """Publishes facts in groups over one NATS connection (made with `connect_bus(…, publisher=True)`).

    Facts of one entity are stored in the order in which `publish` was called. `timeout` bounds in seconds
    what a caller waits; it must stay well inside the line's memory for message ids.
    """

    def __init__(
        self,
        nc: BusClient,
        *,
        partitions: int,
        timeout: float = 5.0,
        waiting_messages: int = 20_000,
        waiting_bytes: int = 64 << 20,
    ) -> None:
        if timeout > _LONGEST:
            raise ValueError(f"a publish may wait at most {_LONGEST:.0f} s: retries rely on message ids")
        self.timeout = timeout
        self._nc = nc
        self._closed = False
        requests = Requests(nc)
        self.stored = StoredFacts(requests)
        self._lines = {
            stream.name: GroupCommit(
                Wire(requests, self.stored, stream=stream.name, partitions=partitions),
                waiting_messages=waiting_messages,
                waiting_bytes=waiting_bytes,
            )
            for stream in STREAMS
        }

    async def publish(
        self, fact: Fact, *, expected_last: int | None = None, timeout: float | None = None
    ) -> Ack:
        """Store one fact and answer its position.

        `expected_last` is the last sequence of the whole entity in the fact's stream, 0 = none: Conflict if
        it is another. A fact whose message id is already stored answers the first one's position. Raises
        InvalidFact, Conflict, Refused, and BusUnavailable when `timeout` (or the publisher's) ran out.
        """
        started = asyncio.get_running_loop().time()
        item = self._waiting(fact, expected_last, started + self._bound(timeout))
        try:
            async with asyncio.timeout_at(item.deadline):
                await self._lines[item.stream].submit(item)
                await item.answer
        except (TimeoutError, PublishError):
            pass  # told by the outcome
        finally:
            item.answer.cancel()
        outcome, word = self._outcome(item)
        _published(item.stream, word).inc()
        _seconds(item.stream).observe(asyncio.get_running_loop().time() - started)
        if isinstance(outcome, Ack):
            return outcome
        raise outcome

    async def publish_many(
        self, facts: Sequence[Fact], *, timeout: float | None = None
    ) -> list[Ack | PublishError]:
        """Store facts, those of one entity in this order; one outcome each, in order.

        Nothing joins them: some may be stored and others not. `timeout` bounds the whole call. Raises
        InvalidFact, having published nothing, when there is no stream for one of them.
        """
        started = asyncio.get_running_loop().time()
        deadline = started + self._bound(timeout)
        items = [self._waiting(fact, None, deadline) for fact in facts]
        try:
            async with asyncio.timeout_at(deadline):
                for item in items:
                    await self._lines[item.stream].submit(item)
                if items:
                    await asyncio.wait([item.answer for item in items])
        except TimeoutError:
            pass  # told by the outcomes
        finally:
            for item in items:
                item.answer.cancel()
        outcomes, words = [], Counter[tuple[str, str]]()
        for item in items:
            outcome, word = self._outcome(item)
            outcomes.append(outcome)
            words[item.stream, word] += 1
        for (stream, word), count in words.items():
            _published(stream, word).inc(count)
        for stream in {stream for stream, _ in words}:
            _seconds(stream).observe(asyncio.get_running_loop().time() - started)
        return outcomes

    async def aclose(self) -> None:
        """Refuse new facts and wait for those under way, which their callers' bounds end."""
        self._closed = True
        for line in self._lines.values():
            await line.drain()

    def _bound(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else min(timeout, _LONGEST)

    def _waiting(self, fact: Fact, expected_last: int | None, deadline: float) -> Waiting:
        subject = fact.subject
        if self._closed:
            raise BusUnavailable("this process is shutting down")
        try:
            stream = stream_of(subject.entity, subject.fact).name
        except KeyError:
            # Left to the server it would look like a cluster without a leader.
            raise InvalidFact("unknown_fact", f"no stream keeps {subject}") from None
        headers = "".join([f"{name}: {value}\r\n" for name, value in fact.headers.items()])
        if headers.count("\n") > len(fact.headers) or headers.count("\r") > len(fact.headers):
            raise InvalidFact("invalid_header", "a header holds a line break")
        size = len(fact.body) + len(headers)
        if size + _HEADERS_ROOM > self._nc.max_payload:
            raise InvalidFact("too_large", f"the fact has {size} bytes, the bus takes {self._nc.max_payload}")
        return Waiting(
            fact=fact,
            stream=stream,
            expected_last=expected_last,
            headers=headers,
            size=size,
            deadline=deadline,
            answer=asyncio.get_running_loop().create_future(),
        )

    def _outcome(self, item: Waiting) -> tuple[Ack | PublishError, str]:
        """What the caller gets, and the word the metrics have for it."""
        if item.answer.cancelled():
            return BusUnavailable("the bus did not acknowledge in time"), "unavailable"
        error = item.answer.exception()
        if error is None:
            ack = item.answer.result()
            return ack, "duplicate" if ack.duplicate else "stored"
        if isinstance(error, PublishError):
            return error, "conflict" if isinstance(error, Conflict) else "refused"
        raise error
