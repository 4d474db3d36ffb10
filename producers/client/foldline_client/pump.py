"""The heart of the client: takes facts from any thread, sends them from one task until they are answered."""

import asyncio
import itertools
import random
import secrets
import time
from contextvars import ContextVar
from typing import Final, TypedDict

from foldline_client.buffer import Buffer
from foldline_client.errors import Complaint, logger
from foldline_client.heartbeats import Heartbeats
from foldline_client.items import EVENT, HEARTBEAT, Item, SessionRef, time_text
from foldline_client.losses import Losses
from foldline_client.options import MAX_BODY, Options
from foldline_client.transport import Outcome, Transport, Verdict, retry

SENDING: Final[ContextVar[bool]] = ContextVar("foldline_client_sending", default=False)
"""True in the sending task and all it starts: what is logged there must not become events to send."""


class Stats(TypedDict):
    """What became of the facts of one client. Sizes in bytes."""

    queued: int
    queued_bytes: int
    delivered: int
    dropped: int
    rejected: int
    retries: int
    connected: bool


class Pump:
    """Buffer, schedule and sending loop. Any thread may call it; `run` is awaited once, in any loop."""

    def __init__(self, transport: Transport, options: Options) -> None:
        self.buffer = Buffer(options.buffer_items, options.buffer_bytes)
        self.heartbeats = Heartbeats()
        self._transport = transport
        self._options = options
        self._losses = Losses()
        self._keys = itertools.count(1)
        self._prefix = secrets.token_hex(8)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup = asyncio.Event()
        self._idle = False
        self._closing = self._over = False
        self._away: float | None = None
        self._connected = False
        self._delivered = self._rejected = self._retries = 0
        self._dropping, self._refusing = Complaint(), Complaint()

    def submit(
        self, ref: SessionRef, fact: str, body: bytes, *, at: str | None = None, force: bool = False
    ) -> None:
        """Take one fact in, or count it as dropped or rejected. Never waits."""
        if self._over:
            self.refuse("the client is closed")
            return
        if len(body) > MAX_BODY:
            self.refuse(f"a {fact} of {len(body)} bytes, at most {MAX_BODY} are allowed")
            return
        item = Item(ref, fact, body, f"{self._prefix}-{next(self._keys)}", at)
        if not self.buffer.put(item, force=force) and self._losses.add(item):
            self._dropping.say(
                "the buffer is full: new facts are dropped until %s answers", self._transport.address
            )
        self.wake()

    def refuse(self, reason: str) -> None:
        """Count and log a fact that the line would not take."""
        self._rejected += 1
        self._refusing.say("not recorded: %s", reason)

    def close(self) -> None:
        """Let `run` end once everything is answered."""
        self._closing = True
        self.wake()

    def wake(self) -> None:
        """Tell the sending task that there is something to do."""
        if self._idle and self._loop is not None:
            self._idle = False
            try:
                self._loop.call_soon_threadsafe(self._wakeup.set)
            except RuntimeError:
                pass  # the loop has ended; what waits is told about there

    def stats(self) -> Stats:
        """Counters since the start."""
        return {
            "queued": self.buffer.unsettled,
            "queued_bytes": self.buffer.size,
            "delivered": self._delivered,
            "dropped": self._losses.total,
            "rejected": self._rejected,
            "retries": self._retries,
            "connected": self._connected,
        }

    async def run(self) -> None:
        """Send until closed and done."""
        SENDING.set(True)
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                for ref in self.heartbeats.take(time.monotonic()):
                    self.submit(ref, HEARTBEAT, b"{}", at=time_text())
                batch = self.buffer.take(self._options.batch_items, self._options.batch_bytes)
                if batch:
                    await self._deliver(batch)
                    for ref, body in self._losses.take(calm=self.buffer.calm):
                        self.submit(ref, EVENT, body, force=True)
                elif self._closing:
                    return
                else:
                    await self._rest()
        finally:
            self._over = True
            await self._transport.close()
            if self.buffer.unsettled:
                logger.warning(
                    "%d facts were not delivered to %s", self.buffer.unsettled, self._transport.address
                )

    async def _rest(self) -> None:
        self._wakeup.clear()
        self._idle = True
        # Looked at after `_idle` is set: whoever puts something in from now on wakes us.
        if not self.buffer.waiting and not self._closing:
            try:
                async with asyncio.timeout(self.heartbeats.delay(time.monotonic())):
                    await self._wakeup.wait()
            except TimeoutError:
                pass
        self._idle = False

    async def _deliver(self, batch: list[Item]) -> None:
        waiting, failures = batch, 0
        while waiting:
            outcomes = await self._try(waiting)
            left = [
                item
                for item, outcome in zip(waiting, outcomes, strict=True)
                if not self._settled(item, outcome)
            ]
            self._retries += len(left)
            failures = failures + 1 if len(left) == len(waiting) else 1
            waiting = left
            if waiting:
                again = [outcome for outcome in outcomes if outcome.verdict is Verdict.RETRY]
                self._note_away(again[0].reason)
                await asyncio.sleep(self._pause(failures, max(outcome.retry_after for outcome in again)))
            else:
                self._note_back()
        self.buffer.settle(batch)

    async def _try(self, items: list[Item]) -> list[Outcome]:
        try:
            return await self._transport.deliver(items)
        except Exception as exc:
            if self._away is None:
                logger.warning("sending to %s failed unexpectedly", self._transport.address, exc_info=True)
            return [retry(exc)] * len(items)

    def _settled(self, item: Item, outcome: Outcome) -> bool:
        if outcome.verdict is Verdict.RETRY:
            return False
        if outcome.verdict is Verdict.REJECTED:
            self.refuse(f"{item.fact} of session {item.ref.id}: {outcome.reason}")
        else:
            self._delivered += 1
        return True

    def _pause(self, failures: int, asked: float) -> float:
        doubled = self._options.retry_first * float(1 << min(failures - 1, 20))
        bounded = min(self._options.retry_max, doubled)
        return max(asked, bounded * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret

    def _note_away(self, reason: str) -> None:
        self._connected = False
        if self._away is None:
            self._away = time.monotonic()
            logger.warning(
                "%s does not answer (%s): keeping facts and trying again", self._transport.address, reason
            )

    def _note_back(self) -> None:
        self._connected = True
        if self._away is not None:
            logger.warning(
                "%s answers again after %.1f s", self._transport.address, time.monotonic() - self._away
            )
            self._away = None
