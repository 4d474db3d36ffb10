"""The supervisor's order of things, with children that are one line of Python each."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foldline.embedded.process import Process
from foldline.embedded.service import Service
from foldline.embedded.stop_signals import StopSignals
from foldline.embedded.supervisor import Supervisor, _Lifetime
from runtime.problems import Problem

WAIT = "import signal; signal.pause()"


class Script(Service):
    """A service whose program is given as code."""

    stop_timeout = 5.0

    def __init__(self, name: str, code: str, folder: Path, ready: Callable[[], bool] = lambda: True) -> None:
        super().__init__(folder / f"{name}.log")
        self.name, self.code, self.ready = name, code, ready
        self.spawned = 0

    def spawn(self) -> None:
        self.spawned += 1
        self.process = Process(self.name, [sys.executable, "-c", self.code], log=self.log)
        self.process.spawn()

    def is_ready(self) -> bool:
        return self.ready()


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    with StopSignals() as signals:
        yield signals


def test_what_ends_is_started_again_later_each_time(tmp_path: Path, signals: StopSignals) -> None:
    said: list[str] = []
    steady = Script("steady", WAIT, tmp_path)
    failing = Script("failing", WAIT, tmp_path)

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor([[steady], [failing]], [[failing], [steady]], signals=signals, say=say)
    try:
        assert supervisor.start(20)
        failing.code = "raise SystemExit(3)"
        failing.kill()
        supervisor.watch()
    finally:
        supervisor.stop()
    assert said == [
        f"failing ended (Killed), restarting in 0.2 s; its log is {failing.log}",
        f"failing ended (exit code 3), restarting in 0.4 s; its log is {failing.log}",
        f"failing ended (exit code 3), restarting in 0.8 s; its log is {failing.log}",
    ]
    assert (steady.spawned, failing.spawned) == (1, 3)
    assert not steady.running


def test_a_later_group_waits_for_the_earlier_one(tmp_path: Path, signals: StopSignals) -> None:
    asked: list[int] = []
    second = Script("second", WAIT, tmp_path)

    def ready() -> bool:
        asked.append(second.spawned)
        return len(asked) >= 3

    first = Script("first", WAIT, tmp_path, ready)
    supervisor = Supervisor([[first], [second]], [[second], [first]], signals=signals, say=lambda line: None)
    assert supervisor.start(20)
    supervisor.stop()
    assert asked == [0, 0, 0]
    assert not first.running
    assert not second.running


def test_one_that_is_never_ready_is_named(tmp_path: Path, signals: StopSignals) -> None:
    never = Script("never", "print('still trying', flush=True);" + WAIT, tmp_path)
    never.ready = lambda: not never.log.exists()
    supervisor = Supervisor([[never]], [[never]], signals=signals, say=lambda line: None)
    with pytest.raises(Problem, match=r"never is not ready after 0\.1 s"):
        supervisor.start(0.1)
    supervisor.stop()
    assert not never.running


def test_a_request_to_stop_ends_the_start(tmp_path: Path, signals: StopSignals) -> None:
    def ready() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return False

    service = Script("service", WAIT, tmp_path, ready)
    supervisor = Supervisor([[service]], [[service]], signals=signals, say=lambda line: None)
    assert not supervisor.start(20)
    supervisor.stop()
    assert not service.running


def test_patience_returns_after_a_steady_life() -> None:
    lifetime = _Lifetime()
    now = lifetime._since
    delays = [lifetime.note_end(now) for _ in range(7)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert lifetime.note_end(now + 11) == 0.2


def test_waiting_ends_with_a_signal(signals: StopSignals) -> None:
    sender = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
    sender.start()
    signals.wait(30)
    sender.join()
    assert signals.requests == 1
