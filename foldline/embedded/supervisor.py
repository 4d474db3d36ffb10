"""The supervisor: starts services in order, starts those that end again, stops all in order."""

import signal
import time
from collections.abc import Callable, Sequence

from foldline.embedded.service import Service
from foldline.embedded.stop_signals import StopSignals
from runtime.problems import Problem

_POLL_S = 0.03
_IDLE_S = 5.0
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.2, 5.0  # until an ended service is started again
_HURRY = 2  # requests to stop
_STEADY_S = 10.0  # after which an end counts as the first one again


class Supervisor:
    """Runs groups of services: started one group after another, and stopped in the order given.

    `say` gets a line for each event an operator wants to know of. All happens on the calling thread.
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
        self._lives: dict[Service, _Lifetime] = {}

    def start(self, timeout: float) -> bool:
        """Start all services; False when asked to stop meanwhile.

        Raises Problem when one ends, or is not ready within `timeout` seconds for its group.
        """
        for group in self._start_order:
            for service in group:
                self._lives[service] = _Lifetime()
                service.spawn()
            waiting = list(group)
            deadline = time.monotonic() + timeout
            while waiting:
                self._signals.wait(_POLL_S)
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
                raise service.problem(f"ended while starting ({_how_it_ended(service)})")

    def watch(self) -> None:
        """Start services that end again until asked to stop, later each time while one keeps ending."""
        while not self._signals.requests:
            now = time.monotonic()
            next_due = now + _IDLE_S
            for service, lifetime in self._lives.items():
                if service.running:
                    continue
                if lifetime.restart_at is None:
                    delay = lifetime.note_end(now)
                    how, log = _how_it_ended(service), service.log
                    self._say(f"{service.name} ended ({how}), restarting in {delay:g} s; its log is {log}")
                if lifetime.restart_at is not None and now >= lifetime.restart_at:
                    self._restart(service, lifetime)
                if lifetime.restart_at is not None:
                    next_due = min(next_due, lifetime.restart_at)
            self._signals.wait(max(0.0, next_due - time.monotonic()))

    def _restart(self, service: Service, lifetime: "_Lifetime") -> None:
        try:
            service.spawn()
        except Problem as problem:
            delay = lifetime.note_end(time.monotonic())
            self._say(f"{service.name} was not started, trying again in {delay:g} s: {problem}")
        else:
            lifetime.note_start()

    def stop(self) -> None:
        """Stop all services, group by group; a second request to stop makes it immediate."""
        for group in self._stop_order:
            running = [service for service in group if service.running]
            for service in running:
                self._send(service, None)
            deadline = time.monotonic() + max((service.stop_timeout for service in running), default=0)
            while running and time.monotonic() < deadline and self._signals.requests < _HURRY:
                self._signals.wait(_POLL_S)
                running = [service for service in running if service.running]
            for service in running:
                self._say(f"{service.name} has not stopped, ending it now")
                self._send(service, service.hurry_signal)
            for service in group:
                if service.process is not None:
                    service.process.stop(timeout=2.0)

    @staticmethod
    def _send(service: Service, number: signal.Signals | None) -> None:
        if service.process is not None:
            service.process.send(number or service.process.stop_signal)


class _Lifetime:
    """The start of a service, and when it may be started again."""

    def __init__(self) -> None:
        self._delay = _FIRST_DELAY_S
        self.restart_at: float | None = None
        self.note_start()

    def note_start(self) -> None:
        self._since = time.monotonic()
        self.restart_at = None

    def note_end(self, now: float) -> float:
        """Note an end; answers the seconds until the next start."""
        if now - self._since > _STEADY_S:
            self._delay = _FIRST_DELAY_S
        delay = self._delay
        self._delay = min(_LONGEST_DELAY_S, delay * 2)
        self.restart_at = now + delay
        return delay


def _how_it_ended(service: Service) -> str:
    code = service.process.exit_code if service.process else None
    if code is None:
        return "not running"
    return f"exit code {code}" if code >= 0 else signal.strsignal(-code) or f"signal {-code}"
