"""Sends one batch of facts after the other, each until all of it is answered."""

import asyncio
import random
import time
from collections.abc import Callable

from foldline_client.errors import logger
from foldline_client.items import Item
from foldline_client.options import Options
from foldline_client.transport import Outcome, Transport, Verdict, retry


class Sender:
    """The tries of one client, and their counters. Used by one task only.

    `reject` is called with each fact that the server refuses for what it is, and with the reason.
    """

    def __init__(self, transport: Transport, options: Options, reject: Callable[[Item, str], None]) -> None:
        self._transport = transport
        self._options = options
        self._reject = reject
        self._away_since: float | None = None
        self.connected = False
        self.delivered = self.retries = 0

    async def send(self, batch: list[Item]) -> None:
        """Send `batch` until every fact of it is delivered or rejected, with growing pauses between tries."""
        waiting, failures = batch, 0
        while waiting:
            outcomes = await self._try(waiting)
            left = [
                item
                for item, outcome in zip(waiting, outcomes, strict=True)
                if not self._settled(item, outcome)
            ]
            self.retries += len(left)
            failures = failures + 1 if len(left) == len(waiting) else 1
            waiting = left
            if waiting:
                again = [outcome for outcome in outcomes if outcome.verdict is Verdict.RETRY]
                self._note_away(again[0].reason)
                await asyncio.sleep(self._pause(failures, max(outcome.retry_after for outcome in again)))
            else:
                self._note_back()

    async def _try(self, items: list[Item]) -> list[Outcome]:
        try:
            return await self._transport.deliver(items)
        except Exception as exc:
            if self._away_since is None:
                logger.warning("sending to %s failed unexpectedly", self._transport.address, exc_info=True)
            return [retry(exc)] * len(items)

    def _settled(self, item: Item, outcome: Outcome) -> bool:
        if outcome.verdict is Verdict.RETRY:
            return False
        if outcome.verdict is Verdict.REJECTED:
            self._reject(item, outcome.reason)
        else:
            self.delivered += 1
        return True

    def _pause(self, failures: int, asked: float) -> float:
        doubled = self._options.retry_first * float(1 << min(failures - 1, 20))
        bounded = min(self._options.retry_max, doubled)
        return max(asked, bounded * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret

    def _note_away(self, reason: str) -> None:
        self.connected = False
        if self._away_since is None:
            self._away_since = time.monotonic()
            logger.warning(
                "%s does not answer (%s): keeping facts and trying again", self._transport.address, reason
            )

    def _note_back(self) -> None:
        self.connected = True
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            logger.warning("%s answers again after %.1f s", self._transport.address, away)
            self._away_since = None
