"""Carries new facts to the line: at once while it answers, through the spool while it does not, in order.

One group goes at a time: a fact that could not be sent must be in the spool before a later fact of its entity
is looked at.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

from producers.key_reuse import set_reused_aside
from producers.publishing.publisher import Ack, BusUnavailable, Publisher
from producers.sidecar.drain import Drain
from producers.sidecar.spool import Spool
from runtime.process.tasks import cancel_and_wait, wait_to_the_end
from schemas.facts import Fact
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.sidecar")

Carried = Literal["forwarded", "spooled"]
"""Where an accepted fact is: on the line, or in the spool."""

_Call = tuple[Sequence[Fact], asyncio.Future[list[Carried]]]
"""The facts of a caller, and the future that it waits for."""

_SEND_S: Final = 2.0  # a line that takes longer counts as away


class Carrier:
    """Takes facts from the routes; they are carried, and the spool is drained, for the length of `run`.

    `publisher` answers the publisher while there is a connection, and None while there is not.
    """

    def __init__(self, spool: Spool, publisher: Callable[[], Publisher | None]) -> None:
        self._spool = spool
        self._publisher = publisher
        self._waiting: list[_Call] = []
        self._more = asyncio.Event()
        self._turn = asyncio.Lock()
        self._drain = Drain(spool, publisher, self._turn)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Carry facts for the length of the block; those that wait on leaving are carried first."""
        tasks = [asyncio.create_task(self._carry()), asyncio.create_task(self._drain.run())]
        try:
            yield
        finally:
            while self._waiting or self._turn.locked():
                async with self._turn:  # those under way; what waits is the next group
                    await asyncio.sleep(0)
            await cancel_and_wait(*tasks)

    async def accept(self, facts: Sequence[Fact]) -> list[Carried]:
        """Store facts on the line or in the spool, and answer where each is.

        Facts that the line refuses for good are in the spool as well: they are set aside when it is drained.
        Raises SpoolFull, sqlite3.Error.
        """
        if not self._waiting and not self._turn.locked():
            # Nobody is before them: no way through the task, which takes as long again.
            async with self._turn:
                return await self._carry_alone(facts)
        future: asyncio.Future[list[Carried]] = asyncio.get_running_loop().create_future()
        self._waiting.append((facts, future))
        self._more.set()
        return await future  # a caller that leaves ends it, and nothing else

    async def _carry(self) -> None:
        while True:
            await self._more.wait()
            async with self._turn:
                self._more.clear()
                group, self._waiting = self._waiting, []
                await self._carry_group(group)

    async def _carry_alone(self, facts: Sequence[Fact]) -> list[Carried]:
        sent = await self._send(facts)
        if not all(sent):
            # Whoever leaves meanwhile: the depth that the spool reports must stay true.
            await wait_to_the_end(asyncio.ensure_future(self._spool_rest(facts, sent)))
        return _ways(sent)

    async def _carry_group(self, group: Sequence[_Call]) -> None:
        facts = [fact for some, _ in group for fact in some]
        sent = await self._send(facts)
        try:
            await self._spool_rest(facts, sent)
        except Exception as exc:
            _fail(group, sent, exc)
        else:
            _settle(group, sent)

    async def _spool_rest(self, facts: Sequence[Fact], sent: Sequence[bool]) -> None:
        rest = [fact for fact, is_sent in zip(facts, sent, strict=True) if not is_sent]
        if rest:
            await self._spool.put(rest)
            self._drain.wake()

    async def _send(self, facts: Sequence[Fact]) -> list[bool]:
        """Publish facts; returns for each whether it is on the line.

        None is tried while others wait in the spool: it would overtake those.
        """
        publisher = self._publisher()
        if publisher is None or self._spool.depth.facts:
            return [False] * len(facts)
        try:
            outcomes = await publisher.publish_many(facts, timeout=_SEND_S)
            outcomes = await set_reused_aside(publisher, facts, outcomes, timeout=_SEND_S)
        except (InvalidFact, BusUnavailable):  # too large for this bus, or we stop: the drain says which
            return [False] * len(facts)
        except Exception:  # our own bug: nobody may wait for ever
            logger.exception("%d events cannot be sent and are spooled", len(facts))
            return [False] * len(facts)
        return _unbroken(facts, [isinstance(outcome, Ack) for outcome in outcomes])


def _unbroken(facts: Sequence[Fact], sent: list[bool]) -> list[bool]:
    """Mark facts behind an unsent fact of their entity as unsent: they are sent once more, in order."""
    if all(sent):
        return sent
    behind = set()
    for place, fact in enumerate(facts):
        entity = fact.subject.address
        if not sent[place]:
            behind.add(entity)
        elif entity in behind:
            sent[place] = False
    return sent


def _settle(group: Sequence[_Call], sent: list[bool]) -> None:
    start = 0
    for facts, future in group:
        ways = _ways(sent[start : start + len(facts)])
        start += len(facts)
        if not future.done():
            future.set_result(ways)


def _ways(sent: Sequence[bool]) -> list[Carried]:
    return ["forwarded" if is_sent else "spooled" for is_sent in sent]


def _fail(group: Sequence[_Call], sent: list[bool], error: Exception) -> None:
    """Give the callers `error`, but for those whose facts were all sent: they are accepted."""
    start = 0
    for facts, future in group:
        whole = all(sent[start : start + len(facts)])
        start += len(facts)
        if future.done():
            continue
        if whole:
            future.set_result(["forwarded"] * len(facts))
        else:
            future.set_exception(error)
