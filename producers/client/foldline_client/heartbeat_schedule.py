"""The schedule of background heartbeats: for which sessions, and when the next one is due."""

from dataclasses import dataclass
from threading import RLock

from foldline_client.items import SessionRef


@dataclass(slots=True)
class _Beat:
    ref: SessionRef
    interval: float
    due: float
    paused: bool = False


class HeartbeatSchedule:
    """Background heartbeats by session. Times are seconds of a monotonic clock; any thread may call."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._beats: dict[str, _Beat] = {}

    def start(self, ref: SessionRef, interval: float, now: float) -> None:
        """Schedule heartbeats, the first one at once; starting again changes the interval."""
        with self._lock:
            self._beats[ref.id] = _Beat(ref, interval, now)

    def stop(self, ref: SessionRef) -> None:
        """Schedule no more heartbeats of a session."""
        with self._lock:
            self._beats.pop(ref.id, None)

    def pause(self, ref: SessionRef, *, paused: bool, now: float) -> None:
        """Hold heartbeats back, or let them go on with one at once."""
        with self._lock:
            beat = self._beats.get(ref.id)
            if beat is not None:
                beat.paused = paused
                beat.due = now

    def take(self, now: float) -> list[SessionRef]:
        """Return the sessions whose heartbeat is due; each is due again an interval later."""
        with self._lock:
            due = [beat for beat in self._beats.values() if not beat.paused and beat.due <= now]
            for beat in due:
                beat.due = now + beat.interval
        return [beat.ref for beat in due]

    def delay(self, now: float) -> float | None:
        """Return the seconds until the next heartbeat is due; None if none will be."""
        with self._lock:
            due = [beat.due for beat in self._beats.values() if not beat.paused]
        return max(0.0, min(due) - now) if due else None
