"""Carries facts to the line: at once while it answers, through the spool while it does not, in order.

One group at a time: a fact that could not be sent must be in the spool before a later one of its entity is
looked at. The last that wait are drained in the turn of a group, so that the spool gets empty under any load.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

from producers.publishing.publisher import Ack, BusUnavailable, Publisher, PublishError, Refused
from producers.sidecar.spool import Spool
from runtime.process.tasks import cancel_and_wait, wait_to_the_end
from schemas.facts import Fact
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.sidecar")

Carried = Literal["forwarded", "spooled"]
_Call = tuple[Sequence[Fact], asyncio.Future[list[Carried]]]

_SEND_S: Final = 2.0  # a line that takes longer counts as away
_DRAIN_S: Final = 10.0
_AT_ONCE: Final = 1_000
_AT_ONCE_BYTES: Final = 4 << 20  # in memory they take several times as much
_FIRST_PAUSE: Final = 0.2
_SLOWEST_PAUSE: Final = 10.0


class Carrier:
    """Takes facts from the routes; `run` carries them for the length of a block.

    `line` answers the publisher while there is a connection, None while there is not.
    """

    def __init__(self, spool: Spool, line: Callable[[], Publisher | None]) -> None:
        self._spool = spool
        self._line = line
        self._waiting: list[_Call] = []
        self._more = asyncio.Event()
        self._spooled = asyncio.Event()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """What waits on leaving is carried first."""
        tasks = [asyncio.create_task(self._carry()), asyncio.create_task(self._drain())]
        try:
            yield
        finally:
            while self._waiting or self._turn.locked():
                async with self._turn:  # those under way; what waits is the next group
                    await asyncio.sleep(0)
            await cancel_and_wait(*tasks)

    async def accept(self, facts: Sequence[Fact]) -> list[Carried]:
        """Safe when this returns: on the line, or in the spool. Raises SpoolFull, sqlite3.Error.

        Facts that the line refuses for good are in the spool as well: they are set aside when it is drained.
        """
        if not self._waiting and not self._turn.locked():
            async with (
                self._turn
            ):  # nobody is before them: no way through the task, which takes as long again
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
            # Whoever leaves meanwhile: what the spool says of itself must stay true.
            await wait_to_the_end(asyncio.ensure_future(self._keep_rest(facts, sent)))
        return _ways(sent)

    async def _carry_group(self, group: Sequence[_Call]) -> None:
        facts = [fact for some, _ in group for fact in some]
        sent = await self._send(facts)
        try:
            await self._keep_rest(facts, sent)
        except Exception as exc:
            _fail(group, sent, exc)
        else:
            _settle(group, sent)

    async def _keep_rest(self, facts: Sequence[Fact], sent: Sequence[bool]) -> None:
        rest = [fact for fact, is_sent in zip(facts, sent, strict=True) if not is_sent]
        if rest:
            await self._spool.put(rest)
            self._spooled.set()

    async def _send(self, facts: Sequence[Fact]) -> list[bool]:
        """Which of them are on the line. None is tried while others wait: they would overtake those."""
        line = self._line()
        if line is None or self._spool.depth.facts:
            return [False] * len(facts)
        try:
            outcomes = await line.publish_many(facts, timeout=_SEND_S)
        except (InvalidFact, BusUnavailable):  # too large for this bus, or we stop: told when it is drained
            return [False] * len(facts)
        except Exception:  # our own bug: nobody may wait for ever
            logger.exception("%d events cannot be sent and are spooled", len(facts))
            return [False] * len(facts)
        return _unbroken(facts, [isinstance(outcome, Ack) for outcome in outcomes])

    async def _drain(self) -> None:
        pause, drained = _FIRST_PAUSE, False
        while True:
            if not self._spool.depth.facts:
                self._spooled.clear()
                await self._spooled.wait()
                drained = False
            try:
                if drained and self._are_last():
                    # What is accepted meanwhile would wait behind them: under load without end.
                    async with self._turn:
                        drained = await self._drain_some(_SEND_S)
                else:
                    drained = await self._drain_some(_DRAIN_S)
            except Exception:  # the disk, or our own bug: what waits goes on waiting
                logger.exception("the spool cannot be drained")
                drained = False
            if drained:
                pause = _FIRST_PAUSE
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, _SLOWEST_PAUSE)

    def _are_last(self) -> bool:
        """Whether those that wait go to the line in one turn."""
        depth = self._spool.depth
        return depth.facts <= _AT_ONCE and depth.bytes <= _AT_ONCE_BYTES

    async def _drain_some(self, timeout: float) -> bool:
        """Whether those that have waited longest are gone."""
        line = self._line()
        if line is None:
            return False
        waiting = await self._spool.first(_AT_ONCE, _AT_ONCE_BYTES)
        outcomes = await _published(line, [one.fact for one in waiting], timeout)
        gone, refused = [], []
        for one, outcome in zip(waiting, outcomes, strict=True):
            if isinstance(outcome, Ack):
                gone.append(one)
            elif isinstance(outcome, Refused):
                refused.append((one, str(outcome)))
        for one, reason in refused:
            logger.error("%s is set aside, the line refuses it: %s", one.fact.subject, reason)
        if gone or refused:
            await self._spool.done(gone, refused)
        return len(gone) + len(refused) == len(waiting)


async def _published(line: Publisher, facts: Sequence[Fact], timeout: float) -> list[Ack | PublishError]:
    """An outcome for each: Refused as well for one that the bus cannot take, which fails a whole call."""
    try:
        return await line.publish_many(facts, timeout=timeout)
    except InvalidFact as exc:
        if len(facts) == 1:
            return [Refused(exc.details)]
    half = len(facts) // 2
    first = await _published(line, facts[:half], timeout)
    if any(isinstance(outcome, BusUnavailable) for outcome in first):
        return first + [BusUnavailable("those before it wait")] * (len(facts) - half)
    return first + await _published(line, facts[half:], timeout)


def _unbroken(facts: Sequence[Fact], sent: list[bool]) -> list[bool]:
    """What was sent behind a fact of its entity that was not is sent once more, in its order."""
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
    """Those that were sent whole are accepted all the same."""
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
