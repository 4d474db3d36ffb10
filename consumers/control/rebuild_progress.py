"""How far long work is: events, rate, time left."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from nats.aio.client import Client

from line.checkpoints import checkpoints
from line.jetstream import request_api
from line.lag import LineMeter, summed
from runtime.database.connections import Connection
from schemas.streams import Stream

Phase = Literal["folding", "switching", "comparing", "done"]

_WINDOW: Final = 20  # readings a rate is taken over


@dataclass(frozen=True, slots=True)
class Advance:
    """One reading. `rate` in events a second, `eta` (None: cannot be told) and `elapsed` in seconds."""

    projection: str
    phase: Phase
    events: int
    total: int
    rate: float
    eta: float | None
    elapsed: float
    carried: int = 0  # entities taken over as they were: the line no longer holds all of them

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        rounded = {name: round(value, 1) for name in ("rate", "elapsed") if (value := getattr(self, name))}
        eta = None if self.eta is None else round(self.eta, 1)
        return asdict(self) | rounded | {"eta": eta}


class Odometer:
    """Measures what a follower has folded of the line."""

    def __init__(self, nc: Client, projection: str, follower: str, streams: Iterable[Stream]) -> None:
        self._nc = nc
        self._meter = LineMeter(nc)
        self._projection = projection
        self._follower = follower
        self._streams = [stream.name for stream in streams]
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self.counted = False  # the last reading, and not estimated
        self._readings: deque[tuple[float, int, int]] = deque(maxlen=_WINDOW)

    async def read(self, conn: Connection, phase: Phase) -> Advance:
        """Where it is now. Raises StreamUnavailable."""
        at = await checkpoints(conn, self._follower)
        left = total = 0
        self.counted = True
        for stream in self._streams:
            behind = {part: sequences.get(stream, 0) for part, sequences in at.items()}
            lag = summed((await self._meter.lags(stream, behind)).values())
            self.counted = self.counted and lag.counted
            left += lag.events
            info = await request_api(self._nc, f"STREAM.INFO.{stream}")
            total += info["state"]["messages"] if "state" in info else 0
        events, now = max(0, total - left), self._clock()
        self._readings.append((now, events, left))
        then, before, more = self._readings[0]
        seconds = max(now - then, 1e-9)
        shrinking = (more - left) / seconds  # what is folded, less what arrives meanwhile
        return Advance(
            projection=self._projection,
            phase=phase,
            events=events,
            total=events + left,
            rate=max(0.0, (events - before) / seconds),
            eta=0.0 if not left else left / shrinking if shrinking > 0 else None,
            elapsed=now - self._began,
        )
