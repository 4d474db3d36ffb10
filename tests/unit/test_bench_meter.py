"""Processor seconds are those of all processes below one, whether they still run or have ended."""

import os
import subprocess
import sys

import pytest

from benchmarks.meter import Meter, Spent
from benchmarks.turn import Turn

_TAKEN = 0.3  # processor seconds of a process
_WORK = f"""
import time
while time.process_time() < {_TAKEN}:
    pass
"""
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_WORK!r}], check=True)"
_BUSY_ITSELF = f"""
{_PARENT}
print('child ended', flush=True)
input()
import time
began = time.process_time()
while time.process_time() - began < {_TAKEN}:
    pass
print('done', flush=True)
input()
"""
_STAYS = _WORK + "print('done', flush=True); input()"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell what ended processes took")
@pytest.mark.parametrize("program", [_WORK, _PARENT], ids=["child", "grandchild"])
def test_processes_that_have_ended_count(program: str) -> None:
    meter = Meter(os.getpid())
    subprocess.run([sys.executable, "-c", program], check=True)
    assert meter.read().cpu_seconds >= _TAKEN * 0.9


def test_a_process_that_runs_counts_once() -> None:
    meter = Meter(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", _STAYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        running = meter.read().cpu_seconds
        process.communicate("\n")
    assert running >= _TAKEN * 0.9
    assert meter.read().cpu_seconds - running < _TAKEN * 0.9, "not once more when it has ended"


def test_what_ended_before_and_the_process_itself_do_not_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _BUSY_ITSELF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "child ended\n"
        meter = Meter(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        spent = meter.read()
        process.communicate("\n")
    assert spent.cpu_seconds == 0
    assert spent.seconds >= _TAKEN * 0.9


def test_a_measuring_process_answers_what_a_turn_is_made_of() -> None:
    turn = Turn.of(Spent(seconds=4.0, cpu_seconds=6.0).over(2_000))
    assert (turn.value, turn.cpu_seconds, turn.work, turn.cost) == (500.0, 6.0, 2_000, 3.0)
