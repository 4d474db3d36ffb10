"""Starts services in order, brings back those that die, stops them in order."""

import signal
import time
from collections.abc import Callable, Sequence

from foldline.embedded.service import Service
from foldline.embedded.stop_signals import StopSignals
from runtime.problems import Problem

_POLL = 0.03
_IDLE = 5.0
_FIRST_DELAY, _LONGEST_DELAY = 0.2, 5.0
_HURRY = 2  # requests to stop
_STEADY = 10.0  # seconds of life after which an end counts as the first one again


class Supervisor:
    """Groups are started one after another, the services of a group together, and stopped in the order given.

    `say` gets one line for everything an operator wants to know. Everything happens on the calling thread.
    """

    def __init__(
        self,
        start_order: Sequence[Sequence[Service]],
        stop_order: Sequence[Sequence[Service]],
        *,
        signals: StopSignals,
        say: Callable[[str], None],
    ) -> None:
        self._start_order = start_order
        self._stop_order = stop_order
        self._signals = signals
        self._say = say
        self._lives: dict[Service, _Life] = {}

    def start(self, timeout: float) -> bool:
        """Until all are ready; False when asked to stop meanwhile. Raises Problem when one ends, or is not
        ready after `timeout` seconds for its group."""
        for group in self._start_order:
            for service in group:
                self._lives[service] = _Life()
                service.spawn()
            waiting = list(group)
            deadline = time.monotonic() + timeout
            while waiting:
                self._signals.wait(_POLL)
                if self._signals.requests:
                    return False
                self._check_started()
                waiting = [service for service in waiting if not service.is_ready()]
                if waiting and time.monotonic() > deadline:
                    raise waiting[0].problem(f"is not ready after {timeout:g} s (FOLDLINE_CONNECT_TIMEOUT)")
        return True

    def _check_started(self) -> None:
        for service in self._lives:
            if not service.running:
                raise service.problem(f"ended while starting ({_how(service)})")

    def watch(self) -> None:
        """Until asked to stop: restart what ends, later each time while it keeps ending."""
        while not self._signals.requests:
            now = time.monotonic()
            next_due = now + _IDLE
            for service, life in self._lives.items():
                if service.running:
                    continue
                if life.restart_at is None:
                    delay = life.ended(now)
                    self._say(f"{service.name} ended ({_how(service)}), restarting in {delay:g} s")
                if life.restart_at is not None and now >= life.restart_at:
                    self._restart(service, life)
                if life.restart_at is not None:
                    next_due = min(next_due, life.restart_at)
            self._signals.wait(max(0.0, next_due - time.monotonic()))

    def _restart(self, service: Service, life: "_Life") -> None:
        try:
            service.spawn()
        except Problem as problem:
            delay = life.ended(time.monotonic())
            self._say(f"{service.name}: {problem}, trying again in {delay:g} s")
        else:
            life.started()

    def stop(self) -> None:
        """Group by group; a second request to stop makes it immediate. Returns when nothing runs any more."""
        for group in self._stop_order:
            running = [service for service in group if service.running]
            for service in running:
                self._send(service, None)
            deadline = time.monotonic() + max((service.stop_timeout for service in running), default=0)
            while running and time.monotonic() < deadline and self._signals.requests < _HURRY:
                self._signals.wait(_POLL)
                running = [service for service in running if service.running]
            for service in running:
                self._say(f"{service.name} has not stopped yet, ending it")
                self._send(service, service.hurry_signal)
            for service in group:
                if service.process is not None:
                    service.process.stop(timeout=2.0)

    @staticmethod
    def _send(service: Service, number: signal.Signals | None) -> None:
        if service.process is not None:
            service.process.send(number or service.process.stop_signal)


class _Life:
    """When a service was started, and when it may be started again."""

    def __init__(self) -> None:
        self._delay = _FIRST_DELAY
        self.restart_at: float | None = None
        self.started()

    def started(self) -> None:
        self._since = time.monotonic()
        self.restart_at = None

    def ended(self, now: float) -> float:
        """Seconds until the next try."""
        if now - self._since > _STEADY:
            self._delay = _FIRST_DELAY
        delay = self._delay
        self._delay = min(_LONGEST_DELAY, delay * 2)
        self.restart_at = now + delay
        return delay


def _how(service: Service) -> str:
    code = service.process.exit_code if service.process else None
    if code is None:
        return "not running"
    return f"exit code {code}" if code >= 0 else signal.strsignal(-code) or f"signal {-code}"
