"""Progress of a rebuild or a verification: events folded, rate, time left."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from nats.aio.client import Client

from line.checkpoints import checkpoints
from line.jetstream import request_api
from line.lag import LagProbe, summed
from runtime.database.connections import Connection
from schemas.streams import Stream

Phase = Literal["folding", "switching", "comparing", "done"]

_WINDOW: Final = 20  # readings a rate is taken over


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """One reading. `rate` in events a second, `eta` (None: unknown) and `elapsed` in seconds."""

    projection: str
    phase: Phase
    events: int
    total: int
    rate: float
    eta: float | None
    elapsed: float
    carried: int = 0  # entities that were copied as they are: the line no longer holds all of them

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        rounded = {name: round(value, 1) for name in ("rate", "elapsed") if (value := getattr(self, name))}
        eta = None if self.eta is None else round(self.eta, 1)
        return asdict(self) | rounded | {"eta": eta}


ReportProgress = Callable[[RebuildProgress], None]
"""Called with each new reading."""


class ProgressMeter:
    """Measures how much of the line a follower has folded. `exact`: the last reading was no estimate."""

    def __init__(self, nc: Client, projection: str, follower: str, streams: Iterable[Stream]) -> None:
        self._nc = nc
        self._meter = LagProbe(nc)
        self._projection = projection
        self._follower = follower
        self._streams = [stream.name for stream in streams]
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._readings: deque[tuple[float, int, int]] = deque(maxlen=_WINDOW)  # time, events, events left
        self.exact = False

    async def read(self, conn: Connection, phase: Phase) -> RebuildProgress:
        """Take a reading. Raises StreamUnavailable, psycopg.Error."""
        at = await checkpoints(conn, self._follower)
        left = total = 0
        self.exact = True
        for stream in self._streams:
            behind = {part: sequences.get(stream, 0) for part, sequences in at.items()}
            lag = summed((await self._meter.lags(stream, behind)).values())
            self.exact = self.exact and lag.counted
            left += lag.events
            info = await request_api(self._nc, f"STREAM.INFO.{stream}")
            total += info["state"]["messages"] if "state" in info else 0
        events, now = max(0, total - left), self._clock()
        self._readings.append((now, events, left))
        first_at, first_events, first_left = self._readings[0]
        seconds = max(now - first_at, 1e-9)
        shrinking = (first_left - left) / seconds  # what is folded, less what arrives meanwhile
        return RebuildProgress(
            projection=self._projection,
            phase=phase,
            events=events,
            total=events + left,
            rate=max(0.0, (events - first_events) / seconds),
            eta=0.0 if not left else left / shrinking if shrinking > 0 else None,
            elapsed=now - self._began,
        )
