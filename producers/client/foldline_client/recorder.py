"""The recording calls that sync and async sessions share: none of them waits for anything."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from foldline_client.bodies import state_body
from foldline_client.errors import ThrottledWarning
from foldline_client.items import HEARTBEAT, STATE, SessionRef, time_text
from foldline_client.pump import Pump, Stats


class PumpRunner(Protocol):
    """Keeps a pump running, in a thread or as a task."""

    @property
    def pump(self) -> Pump:
        """The pump of this process."""


class Recorder:
    """One session's state and heartbeats; the base of sessions.

    Every call puts one fact with its time into the buffer and returns. Data of any content is taken (odd
    values are converted, see README); an argument of the wrong kind raises TypeError or ValueError. Calls
    after the session's end are ignored, with a warning.
    """

    def __init__(self, runner: PumpRunner, ref: SessionRef) -> None:
        self._runner = runner
        self._ref = ref
        self._over = False
        self._late_warning = ThrottledWarning()

    @property
    def session_id(self) -> str:
        """The session's id, final from the start."""
        return self._ref.id

    @property
    def position(self) -> str:
        """The positions of its acknowledged facts on the line: after a flush, text for `Positions.note`."""
        return self._ref.position()

    @property
    def ended(self) -> bool:
        """Whether `end()` or `crash()` has been called."""
        return self._over

    def update_state(self, state: Mapping[str, Any]) -> None:
        """Change the session's state by `state`, a JSON Merge Patch (RFC 7396): None deletes a key.

        The call copies `state`: changing it afterwards changes nothing.
        """
        self._record(STATE, state_body(state), at=time_text())

    def heartbeat(self) -> None:
        """Report that the application is alive. Of several that wait only the newest is sent."""
        self._record(HEARTBEAT, b"{}", at=time_text())

    def start_heartbeat_monitor(self, interval: float = 15.0) -> None:
        """Send a heartbeat now and every `interval` seconds, in the background, until the session ends.

        They say that the process lives, not that it makes progress: call `heartbeat()` yourself for that.
        """
        if not interval > 0:
            raise ValueError(f"interval={interval!r} is not a number of seconds above 0")
        if self._over:
            self._too_late()
            return
        self._runner.pump.heartbeats.start(self._ref, interval, time.monotonic())
        self._runner.pump.wake()

    def stop_heartbeat_monitor(self) -> None:
        """Send no more heartbeats in the background."""
        self._runner.pump.heartbeats.stop(self._ref)

    def pause_heartbeat_monitor(self) -> None:
        """Hold background heartbeats back, for example during a planned standstill."""
        self._runner.pump.heartbeats.pause(self._ref, paused=True, now=time.monotonic())

    def resume_heartbeat_monitor(self) -> None:
        """Let background heartbeats go on, with one at once."""
        self._runner.pump.heartbeats.pause(self._ref, paused=False, now=time.monotonic())
        self._runner.pump.wake()

    def get_stats(self) -> Stats:
        """Return counters of this session's client: queued, delivered, dropped, rejected, retries."""
        return self._runner.pump.stats()

    def _record(self, fact: str, body: bytes, at: str | None = None) -> None:
        if self._over:
            self._too_late()
        else:
            self._runner.pump.submit(self._ref, fact, body, at=at)

    def _finish(self, fact: str, body: bytes) -> bool:
        """Record the session's last fact; False if it had ended before."""
        if self._over:
            return False
        self._runner.pump.heartbeats.stop(self._ref)
        self._record(fact, body, at=time_text())
        self._over = True
        return True

    def _too_late(self) -> None:
        self._late_warning.warn("session %s has ended: calls after its end are ignored", self._ref.id)
