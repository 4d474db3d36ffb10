"""The readers of one follower: its catch-up subscriptions, and when each is opened and closed.

A stream has one reader for all partitions if all are held, else one for each. All at once cost the server a
third: it need not select some among them.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from consumers.engine.buffer import Buffer
from consumers.engine.catchup_subscription import CatchUp
from consumers.engine.leases import Held
from runtime.compat.nats_client import BusClient
from schemas.streams import Stream

logger = logging.getLogger("foldline.follower")

_NEAR: Final = 50_000  # sequences between checkpoints that are sooner read than selected


class Readers:
    """Keep one buffer filled.

    A broken reader is replaced at the checkpoint: nothing is read twice or passed over.
    """

    def __init__(
        self, follower: str, nc: BusClient, buffer: Buffer, streams: tuple[Stream, ...], partitions: int
    ) -> None:
        self._follower = follower
        self._partitions = partitions
        self._nc = nc
        self._buffer = buffer
        self._streams = [stream.name for stream in streams]
        self._open: list[CatchUp] = []

    def give_up(self, why: str, parts: Collection[int] | None = None) -> None:
        """Forget what was read of `parts` (None: all) and not yet folded; nothing more comes of them."""
        self._buffer.drop(lambda event: parts is None or event.partition in parts)
        for reader in self._open:
            if parts is None or not reader.partitions.isdisjoint(parts):
                reader.give_up(why)

    def check(self) -> None:
        """Notice servers that went away or silent."""
        for reader in self._open:
            reader.check()

    async def expecting(self) -> bool:
        """Ask for more; returns whether events are stored that were asked for and did not arrive yet."""
        await self.ask()
        return any(reader.expecting for reader in self._open)

    async def ask(self) -> None:
        """Ask for more where the buffer has room again."""
        for reader in list(self._open):
            await reader.ask()

    def missing(self, held: Collection[int]) -> list[tuple[str, int]]:
        """Return (stream, partition) of what is held and has no reader. Close unwanted ones first."""
        wanted = [(stream, part) for part in held for stream in self._streams]
        read = {(reader.stream, part) for reader in self._open for part in reader.partitions}
        return [key for key in wanted if key not in read]

    async def close_unwanted(self, held: Collection[int]) -> None:
        """Close readers that are broken or whose partition is no longer held."""
        reasons: Counter[str] = Counter()
        for reader in list(self._open):
            kept = reader.partitions & set(held)
            if reader.broken or len(kept) < len(reader.partitions):
                if kept:
                    reasons[reader.broken or "some were given up"] += len(kept)
                self._open.remove(reader)
                await reader.close()
        for reason, count in reasons.items():
            logger.info("%s: reads %d partitions anew: %s", self._follower, count, reason)

    async def open_missing(self, held: Mapping[int, Held]) -> None:
        """Open missing readers, each behind its checkpoint. No batch may be under way meanwhile."""
        if not self._nc.is_connected:
            return
        sharing = len(held) * len(self._streams)
        missing: dict[str, dict[int, int]] = {}
        for stream, part in self.missing(held):
            missing.setdefault(stream, {})[part] = held[part].sequences.get(stream, 0)
        # All known before the first await: a lease that moves meanwhile finds its reader here to give up.
        readers = [
            self._new(stream, some, sharing)
            for stream, checkpoints in missing.items()
            for some in self._divided(checkpoints)
        ]
        await asyncio.gather(*(reader.open() for reader in readers))

    async def close(self) -> None:
        """Stop reading everything."""
        await self.close_unwanted(())

    def _divided(self, checkpoints: Mapping[int, int]) -> Iterable[Mapping[int, int]]:
        """Divide partitions over readers: one reads all of them if hardly anything is read for nothing."""
        behind = max(checkpoints.values()) - min(checkpoints.values())
        if len(checkpoints) == self._partitions and behind <= _NEAR:
            return [checkpoints]
        return [{part: after} for part, after in checkpoints.items()]

    def _new(self, stream: str, checkpoints: Mapping[int, int], sharing: int) -> CatchUp:
        self._buffer.drop(lambda event: event.stream == stream and event.partition in checkpoints)
        reader = CatchUp(self._nc, self._buffer, stream=stream, checkpoints=checkpoints, sharing=sharing)
        self._open.append(reader)
        return reader
