"""Leftovers of a killed PostgreSQL or supervisor in a data directory: processes and lock files."""

import signal
from pathlib import Path

import psutil

from foldline.embedded.pidfile import end_process
from foldline.embedded.socket_dir import SOCKET_PORT

_FAST_SHUTDOWN = 20.0
_QUIT = 2.0


def clear_leftovers(data: Path, sockets: Path) -> None:
    """End servers that still work in `data`, and remove lock files that name a process of another program.

    Only the holder of the directory's lock may call it: whatever is found is its own.
    """
    found = _servers_in(data)
    pids = {process.pid for process in found}
    for process in found:
        if _parent(process) in pids:
            continue  # a backend: its postmaster ends it
        # An orphaned backend ends soon after its postmaster by itself, and at once when it is asked to quit.
        number, patience = (
            (signal.SIGQUIT, _QUIT) if _is_backend(process) else (signal.SIGINT, _FAST_SHUTDOWN)
        )
        end_process(process, number, patience)
    for process in _servers_in(data):
        end_process(process, signal.SIGKILL, _QUIT)
    for lock in (data / "postmaster.pid", sockets / f".s.PGSQL.{SOCKET_PORT}.lock"):
        # After a crash PostgreSQL trusts the number alone, and in a container numbers repeat.
        if lock.exists() and _names_a_running_process(lock):
            lock.unlink()


def _servers_in(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == data:
                found.append(process)
        except (psutil.Error, OSError):  # ended meanwhile, or not ours to look at
            continue
    return found


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.Error:
        return None


def _is_backend(process: psutil.Process) -> bool:
    try:
        return " ".join(process.cmdline()).startswith("postgres: ")
    except psutil.Error:
        return True


def _names_a_running_process(lock: Path) -> bool:
    try:
        return bool(psutil.pid_exists(abs(int(lock.read_text().split()[0]))))
    except (OSError, ValueError, IndexError):
        return False
