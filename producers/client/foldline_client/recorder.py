"""The recording calls that sync and async sessions share: none of them waits for anything."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from foldline_client.bodies import state_body
from foldline_client.errors import Complaint
from foldline_client.items import HEARTBEAT, STATE, SessionRef, time_text
from foldline_client.pump import Pump, Stats


class Line(Protocol):
    """Whatever keeps a pump running: a thread or a task."""

    @property
    def pump(self) -> Pump:
        """The pump of this process."""


class Recorder:
    """One session's state and heartbeats; the base of sessions.

    Every call puts one fact with its time into the buffer and returns. What the data holds never raises (odd
    values are converted, see README); a wrong kind of argument raises TypeError or ValueError. After the
    session's end calls are ignored, with a warning.
    """

    def __init__(self, line: Line, ref: SessionRef) -> None:
        self._line = line
        self._ref = ref
        self._over = False
        self._late = Complaint()

    @property
    def session_id(self) -> str:
        """The session's id, known from the start."""
        return self._ref.id

    @property
    def position(self) -> str:
        """Where its acknowledged facts end on the line: after a flush, something for `Positions.note`."""
        return self._ref.position()

    @property
    def ended(self) -> bool:
        """Whether `end()` or `crash()` has been called."""
        return self._over

    def update_state(self, state: Mapping[str, Any]) -> None:
        """Change the session's state by `state`, a JSON Merge Patch (RFC 7396): None deletes a key.

        `state` is copied now; changing it afterwards changes nothing.
        """
        self._record(STATE, state_body(state), at=time_text())

    def heartbeat(self) -> None:
        """Say that the application is alive. Of those still waiting to be sent only the newest is."""
        self._record(HEARTBEAT, b"{}", at=time_text())

    def start_heartbeat_monitor(self, interval: float = 15.0) -> None:
        """Send a heartbeat now and every `interval` seconds, in the background, until the session ends.

        This says that the process is alive, not that it gets on: call `heartbeat()` yourself for that.
        """
        if not interval > 0:
            raise ValueError("interval must be more than 0 seconds")
        if self._over:
            self._too_late()
            return
        self._line.pump.heartbeats.start(self._ref, interval, time.monotonic())
        self._line.pump.wake()

    def stop_heartbeat_monitor(self) -> None:
        """Send no more heartbeats in the background."""
        self._line.pump.heartbeats.stop(self._ref)

    def pause_heartbeat_monitor(self) -> None:
        """Hold background heartbeats back, as during a planned standstill."""
        self._line.pump.heartbeats.pause(self._ref, paused=True, now=time.monotonic())

    def resume_heartbeat_monitor(self) -> None:
        """Let background heartbeats go on, with one at once."""
        self._line.pump.heartbeats.pause(self._ref, paused=False, now=time.monotonic())
        self._line.pump.wake()

    def get_stats(self) -> Stats:
        """Counters of this session's client: queued, delivered, dropped, rejected, retries."""
        return self._line.pump.stats()

    def _record(self, fact: str, body: bytes, at: str | None = None) -> None:
        if self._over:
            self._too_late()
        else:
            self._line.pump.submit(self._ref, fact, body, at=at)

    def _finish(self, fact: str, body: bytes) -> bool:
        """Put the session's last fact in; says whether it was still open."""
        if self._over:
            return False
        self._line.pump.heartbeats.stop(self._ref)
        self._record(fact, body, at=time_text())
        self._over = True
        return True

    def _too_late(self) -> None:
        self._late.say("session %s is over: what comes after its end is ignored", self._ref.id)
