"""The pump: takes facts from any thread, and sends them from one task until they are answered."""

import asyncio
import itertools
import secrets
import time
from contextvars import ContextVar
from typing import Final, Literal, TypedDict

from foldline_client.buffer import Buffer
from foldline_client.errors import ThrottledWarning, logger
from foldline_client.heartbeat_schedule import HeartbeatSchedule
from foldline_client.items import EVENT, HEARTBEAT, Item, SessionRef, time_text
from foldline_client.losses import Losses
from foldline_client.options import MAX_BODY, Options
from foldline_client.sender import Sender
from foldline_client.transport import Transport

SENDING: Final[ContextVar[bool]] = ContextVar("foldline_client_sending", default=False)
"""True in the sending task and all it starts: what is logged there must not become events to send."""


class Stats(TypedDict):
    """Counters of the facts of one client. Sizes are in bytes."""

    queued: int
    queued_bytes: int
    delivered: int
    dropped: int
    rejected: int
    retries: int
    connected: bool


class Pump:
    """Buffer, schedule and sending loop. Any thread may call it; `run` is awaited once, in any loop.

    `entity` is what the facts are about. Jobs have no event that could report dropped facts on the line.
    """

    def __init__(
        self, transport: Transport, options: Options, entity: Literal["session", "job"] = "session"
    ) -> None:
        self.buffer = Buffer(options.buffer_items, options.buffer_bytes)
        self.heartbeats = HeartbeatSchedule()
        self._transport = transport
        self._options = options
        self._entity = entity
        self._sender = Sender(transport, options, self._reject)
        self._losses = Losses()
        self._keys = itertools.count(1)
        self._prefix = secrets.token_hex(8)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup = asyncio.Event()
        self._idle = False
        self._closing = self._over = False
        self._rejected = 0
        self._drop_warning, self._reject_warning = ThrottledWarning(), ThrottledWarning()

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
            self._drop_warning.warn(
                "the buffer is full: new facts are dropped until %s answers", self._transport.address
            )
        self.wake()

    def refuse(self, reason: str) -> None:
        """Count and log a fact that the line would not take."""
        self._rejected += 1
        self._reject_warning.warn("not recorded: %s", reason)

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
                pass  # the loop has ended; its end logged what was not delivered

    def stats(self) -> Stats:
        """Return the counters since the start."""
        return {
            "queued": self.buffer.unsettled,
            "queued_bytes": self.buffer.size,
            "delivered": self._sender.delivered,
            "dropped": self._losses.total,
            "rejected": self._rejected,
            "retries": self._sender.retries,
            "connected": self._sender.connected,
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
                    await self._sender.send(batch)
                    self.buffer.settle(batch)
                    self._report_losses()
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

    def _report_losses(self) -> None:
        for ref, body in self._losses.take(calm=self.buffer.calm):
            if self._entity == "session":
                self.submit(ref, EVENT, body, force=True)

    def _reject(self, item: Item, reason: str) -> None:
        self.refuse(f"{item.fact} of {self._entity} {item.ref.id}: {reason}")
