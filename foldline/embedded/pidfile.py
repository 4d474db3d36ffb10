"""Pid files, by which the next start finds the processes that a killed supervisor left running."""

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# Creation times are computed from the wall clock's idea of the boot time, which steps with the clock.
_CLOCK_STEP = 60.0
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Leftover:
    """A child of an earlier supervisor that still runs."""

    process: psutil.Process
    stop_signal: int

    def end(self) -> None:
        end_process(self.process, self.stop_signal, _PATIENCE_S)


def write_pid_file(path: Path, pid: int, argv: Sequence[str], stop_signal: int) -> None:
    """Record a process, with enough to tell it from another one that gets the same number later."""
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(
        json.dumps({"pid": pid, "created": created, "stop": int(stop_signal), "argv": list(argv)})
    )
    os.replace(part, path)


def find_leftover(path: Path) -> Leftover | None:
    """The recorded process, if it still runs and is the same program; otherwise None."""
    try:
        recorded = json.loads(path.read_text())
        process = psutil.Process(int(recorded["pid"]))
        same = (
            process.cmdline() == recorded["argv"]
            and abs(process.create_time() - float(recorded["created"])) < _CLOCK_STEP
            and process.status() != psutil.STATUS_ZOMBIE
        )
        return Leftover(process, int(recorded["stop"])) if same else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def end_leftovers(folder: Path) -> list[str]:
    """End all processes that the folder's pid files name, the last started first. Returns their names."""
    ended = []
    for path in sorted(folder.glob("*.pid"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        if leftover := find_leftover(path):
            leftover.end()
            ended.append(path.stem)
        path.unlink()
    return ended


def end_process(process: psutil.Process, number: int, timeout: float) -> None:
    """Send the signal `number`, wait `timeout` seconds, then send SIGKILL."""
    try:
        process.send_signal(number)
        try:
            process.wait(timeout)
        except psutil.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout)
    except psutil.NoSuchProcess:
        return
