"""Drains the spool into the line, in order, whenever the line answers.

The last facts that wait are drained in the turn of a group of the carrier: what is accepted meanwhile would
wait behind them, so that under load the spool would never get empty.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

from producers.key_reuse import set_reused_aside
from producers.publishing.publisher import Ack, BusUnavailable, Publisher, PublishError, Refused
from producers.sidecar.spool import Spool
from schemas.facts import Fact
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.sidecar")

_SEND_S: Final = 10.0
_SEND_IN_TURN_S: Final = 2.0  # new facts wait meanwhile
_AT_ONCE: Final = 1_000
_AT_ONCE_BYTES: Final = 4 << 20  # in memory they take several times as much
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0


class Drain:
    """Empties a spool. `turn` is held by whoever publishes new facts; `publisher` is that of the carrier."""

    def __init__(self, spool: Spool, publisher: Callable[[], Publisher | None], turn: asyncio.Lock) -> None:
        self._spool = spool
        self._publisher = publisher
        self._turn = turn
        self._spooled = asyncio.Event()

    def wake(self) -> None:
        """Facts were put into the spool."""
        self._spooled.set()

    async def run(self) -> None:
        """Drain until cancelled."""
        pause, drained = _FIRST_PAUSE_S, False
        while True:
            if not self._spool.depth.facts:
                self._spooled.clear()
                await self._spooled.wait()
                drained = False
            try:
                if drained and self._fits_in_one_turn():
                    async with self._turn:
                        drained = await self._drain_some(_SEND_IN_TURN_S)
                else:
                    drained = await self._drain_some(_SEND_S)
            except Exception:  # the disk, or our own bug: what waits goes on waiting
                logger.exception("the spool cannot be drained")
                drained = False
            if drained:
                pause = _FIRST_PAUSE_S
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _fits_in_one_turn(self) -> bool:
        depth = self._spool.depth
        return depth.facts <= _AT_ONCE and depth.bytes <= _AT_ONCE_BYTES

    async def _drain_some(self, timeout: float) -> bool:
        """Publish the facts that have waited longest; answers whether all of them have left the spool."""
        publisher = self._publisher()
        if publisher is None:
            return False
        waiting = await self._spool.first(_AT_ONCE, _AT_ONCE_BYTES)
        outcomes = await _publish(publisher, [one.fact for one in waiting], timeout)
        stored, refused = [], []
        for one, outcome in zip(waiting, outcomes, strict=True):
            if isinstance(outcome, Ack):
                stored.append(one)
            elif isinstance(outcome, Refused):
                refused.append((one, str(outcome)))
        for one, reason in refused:
            logger.error("%s is set aside, the event stream refuses it: %s", one.fact.subject, reason)
        if stored or refused:
            await self._spool.done(stored, refused)
        return len(stored) + len(refused) == len(waiting)


async def _publish(publisher: Publisher, facts: Sequence[Fact], timeout: float) -> list[Ack | PublishError]:
    """Publish facts; returns an outcome for each.

    A fact that the bus cannot take fails a whole call: it is found by halving, and its outcome is Refused.
    """
    try:
        outcomes = await publisher.publish_many(facts, timeout=timeout)
        return await set_reused_aside(publisher, facts, outcomes, timeout=timeout)
    except InvalidFact as exc:
        if len(facts) == 1:
            return [Refused(exc.details)]
    half = len(facts) // 2
    first = await _publish(publisher, facts[:half], timeout)
    if any(isinstance(outcome, BusUnavailable) for outcome in first):
        return first + [BusUnavailable("facts before it wait")] * (len(facts) - half)
    return first + await _publish(publisher, facts[half:], timeout)
