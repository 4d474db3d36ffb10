"""Which sessions get a heartbeat in the background, and when the next one is due."""

from dataclasses import dataclass
from threading import RLock

from foldline_client.items import SessionRef


@dataclass(slots=True)
class _Beat:
    ref: SessionRef
    interval: float
    due: float
    paused: bool = False


class Heartbeats:
    """The schedule of background heartbeats. Times are of a monotonic clock, seconds; any thread may call."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._beats: dict[str, _Beat] = {}

    def start(self, ref: SessionRef, interval: float, now: float) -> None:
        """The first heartbeat is due at once; starting again changes the interval."""
        with self._lock:
            self._beats[ref.id] = _Beat(ref, interval, now)

    def stop(self, ref: SessionRef) -> None:
        """No more heartbeats; nothing happens if there were none."""
        with self._lock:
            self._beats.pop(ref.id, None)

    def pause(self, ref: SessionRef, *, paused: bool, now: float) -> None:
        """Hold the heartbeats back, or let them go on with one at once."""
        with self._lock:
            beat = self._beats.get(ref.id)
            if beat is not None:
                beat.paused = paused
                beat.due = now

    def take(self, now: float) -> list[SessionRef]:
        """The sessions whose heartbeat is due; each is due again an interval later."""
        with self._lock:
            due = [beat for beat in self._beats.values() if not beat.paused and beat.due <= now]
            for beat in due:
                beat.due = now + beat.interval
        return [beat.ref for beat in due]

    def delay(self, now: float) -> float | None:
        """Seconds until the next one is due; None if none will be."""
        with self._lock:
            due = [beat.due for beat in self._beats.values() if not beat.paused]
        return max(0.0, min(due) - now) if due else None
