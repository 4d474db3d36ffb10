"""The catch-up subscriptions of one follower: one for each partition it holds of each stream it reads."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping

from consumers.buffer import Buffer
from consumers.catchup import CatchUp
from consumers.leases import Held
from runtime.sinks import BusClient
from schemas.streams import Stream

logger = logging.getLogger("foldline.follower")


class Readers:
    """Fill one buffer. A broken one is replaced at the checkpoint: nothing is read twice or passed over."""

    def __init__(self, follower: str, nc: BusClient, buffer: Buffer, streams: tuple[Stream, ...]) -> None:
        self._follower = follower
        self._nc = nc
        self._buffer = buffer
        self._streams = [stream.name for stream in streams]
        self._open: dict[tuple[str, int], CatchUp] = {}
        self._reconnects = 0

    def give_up(self, why: str, parts: Collection[int] | None = None) -> None:
        """Forget what was read of `parts` (of all) and not yet folded; nothing more comes of them."""
        self._buffer.drop(lambda event: parts is None or event.partition in parts)
        for reader in self._open.values():
            if parts is None or reader.partition in parts:
                reader.broken = reader.broken or why

    def check(self) -> None:
        """Notice servers that went away or silent."""
        if self._nc.stats["reconnects"] != self._reconnects:
            self._reconnects = self._nc.stats["reconnects"]
            for reader in self._open.values():
                reader.broken = reader.broken or "reconnected"
        for reader in self._open.values():
            reader.check()

    async def expecting(self) -> bool:
        """Ask for more; whether events are stored that were asked for and did not arrive yet."""
        await self.ask()
        return any(reader.expecting for reader in self._open.values())

    async def ask(self) -> None:
        """There is room in the buffer again."""
        for reader in list(self._open.values()):
            await reader.ask()

    def missing(self, held: Collection[int]) -> list[tuple[str, int]]:
        """What should be read and is not; a broken reader is first closed."""
        wanted = [(stream, part) for part in held for stream in self._streams]
        return [key for key in wanted if key not in self._open]

    async def close_unwanted(self, held: Collection[int]) -> None:
        """Close what is broken or no longer held."""
        reasons: Counter[str] = Counter()
        for key, reader in list(self._open.items()):
            if reader.broken or reader.partition not in held:
                if reader.partition in held and reader.broken:
                    reasons[reader.broken] += 1
                del self._open[key]
                await reader.close()
        for reason, count in reasons.items():
            logger.info("%s: reads %d partitions anew: %s", self._follower, count, reason)

    async def open_missing(self, held: Mapping[int, Held]) -> None:
        """Open what is missing, each after its checkpoint. No batch may be under way meanwhile."""
        if not self._nc.is_connected:
            return
        sharing = len(held) * len(self._streams)
        # All known before the first await: a lease that moves meanwhile finds its reader here to give up.
        readers = [self._new(*key, held[key[1]], sharing) for key in self.missing(held)]
        await asyncio.gather(*(reader.open() for reader in readers))

    async def close(self) -> None:
        """Stop reading everything."""
        await self.close_unwanted(())

    def _new(self, stream: str, part: int, lease: Held, sharing: int) -> CatchUp:
        self._buffer.drop(lambda event: (event.stream, event.partition) == (stream, part))
        self._open[stream, part] = reader = CatchUp(
            self._nc,
            self._buffer,
            stream=stream,
            partition=part,
            checkpoint=lease.sequences.get(stream, 0),
            sharing=sharing,
        )
        return reader
