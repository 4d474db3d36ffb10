"""The partitions of a follower: its leases, the readers of what is leased, and what both decide together."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection
from typing import Final

import psycopg

from consumers.engine.buffer import Buffer
from consumers.engine.connections import Connections
from consumers.engine.handler import Handler
from consumers.engine.leases import Leases
from consumers.engine.readers import Readers
from line.identity import changed_streams
from line.problems import StreamUnavailable
from runtime import metrics
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from runtime.settings.database import FoldSettings

logger = logging.getLogger("foldline.follower")

_OTHER_LINE_RETRY: Final = 5.0
_PATIENCE: Final = 5.0  # what leaving waits for the leases to be given up


class OtherLine(RuntimeError):
    """The line is not the one that was folded; an operator has to decide."""


class Partitions:
    """Takes, renews and gives up leases, and keeps a reader open for each partition that is held.

    `turn` is held while a batch is applied, while leases are given up and while readers start. Locks are
    taken in the order `turn`, `_leasing`. `look_again` asks for a renewal, `moved` for the readers.
    """

    def __init__(
        self,
        handler: Handler,
        leases: Leases,
        connections: Connections,
        nc: BusClient,
        settings: FoldSettings,
    ) -> None:
        self.leases = leases
        self.buffer = Buffer(settings.buffer_events, settings.buffer_bytes)
        self.readers = Readers(handler.name, nc, self.buffer, handler.streams, settings.partitions)
        self.surplus: set[int] = set()  # held beyond the fair share
        self.turn = asyncio.Lock()
        self.look_again = asyncio.Event()
        self.moved = asyncio.Event()
        self._handler = handler
        self._connections = connections
        self._nc = nc
        self._ttl = settings.lease_ttl
        self._leasing = asyncio.Lock()  # `leases.held` is replaced
        self._connected_at = time.monotonic()
        self._identity_at = 0.0  # when the line may be looked at again after it was found to be another one

    async def renew(self) -> None:
        """Keep the leases, take up to the fair share. Never waits for a batch. Raises psycopg.Error."""
        control, backend = await self._connections.control(), await self._connections.backend()
        if self._is_cut_off():
            await self._give_up_all(control)
            return
        async with self._leasing:
            moved = await self.leases.refresh(control, backend)
            # No await in between: a batch must not mix what was read under an old lease with a new one.
            self._forget(moved.lost | moved.taken)
        self.surplus = moved.surplus
        metrics.PARTITIONS_HELD.labels(self._handler.name).set(len(self.leases.held))
        self.moved.set()

    async def release_surplus(self) -> None:
        """Give up what is beyond the fair share, between two batches. Raises psycopg.Error."""
        if self.surplus:
            control = await self._connections.control()
            async with self.turn, self._leasing:
                surplus, self.surplus = self.surplus & self.leases.held.keys(), set()
                await self.leases.release(control, surplus)
                self._forget(surplus)

    async def maintain_readers(self) -> None:
        """Close readers that broke or whose lease moved, open those that are missing.

        Raises OtherLine, OSError, psycopg.Error.
        """
        self.readers.check()
        await self.readers.close_unwanted(self.leases.held)
        if self.readers.missing(self.leases.held) and await self._is_our_line():
            async with self.turn:  # checkpoints must not move while readers start at them
                await self.readers.open_missing(self.leases.held)

    async def stop(self, partition: int, reason: str) -> None:
        """Let nobody fold a partition of ours until it is resumed. Raises psycopg.Error."""
        control = await self._connections.control()
        async with self._leasing:
            await self.leases.stop(control, partition, reason)

    async def start_over(self) -> None:
        """Forget everything in memory; the checkpoints in PostgreSQL say where to go on."""
        async with self._leasing:  # a refresh under way would bring back what is forgotten here
            self._handler.forget()
            self.leases.held = {}  # taken again, with their checkpoints, by the next refresh
            self.readers.give_up("starting over")
        self.look_again.set()

    async def leave(self) -> None:
        """Stop reading and give everything up, if the servers still listen."""
        await self.readers.close()
        with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self.leases.leave(await self._connections.control())

    def _is_cut_off(self) -> bool:
        """Whether NATS has been away for longer than a lease lasts: others may still reach it."""
        now = time.monotonic()
        if self._nc.is_connected:
            self._connected_at = now
        return now - self._connected_at > self._ttl

    async def _give_up_all(self, control: Connection) -> None:
        async with self._leasing:
            lost = set(self.leases.held)
            await self.leases.leave(control)
            self._forget(lost)

    def _forget(self, gone: Collection[int]) -> None:
        if gone:
            logger.info("%s: holds %s", self._handler.name, sorted(self.leases.held))
            self.readers.give_up("the lease moved", gone)
            self._handler.forget()

    async def _is_our_line(self) -> bool:
        """Whether readers may start now: on another line than the one that was folded they wait for ever.

        Raises OtherLine, ConnectionError.
        """
        if not self._nc.is_connected or time.monotonic() < self._identity_at:
            return False
        parts = sorted({part for _, part in self.readers.missing(self.leases.held)})
        control = await self._connections.control()
        try:
            found = await changed_streams(self._nc, control, follower=self._handler.name, parts=parts)
        except StreamUnavailable as exc:
            raise ConnectionError(str(exc)) from exc
        if found:
            self._identity_at = time.monotonic() + _OTHER_LINE_RETRY
            raise OtherLine("; ".join(map(str, found)))
        return True
