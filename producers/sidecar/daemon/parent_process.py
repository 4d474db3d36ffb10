"""Processes of applications, told apart from later processes with the same number."""

import os
from functools import cache
from pathlib import Path
from typing import Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_GONE: Final = (b"Z", b"X")  # ended, though its own parent has not asked for its exit status yet
_UNSEEN: Final = "unseen"


def birth_of(pid: int) -> str | None:
    """Return boot and start time of a process, which no other process shares; None if there is no such pid.

    Where /proc does not show it (another user's with `hidepid`, other systems than Linux), all that is known
    is that it exists.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _UNSEEN if _exists(pid) else None
    # Behind the name, which may hold blanks and brackets: state is field 3, start time field 22.
    fields = stat.rpartition(b")")[2].split()
    return None if fields[0] in _GONE else f"{_boot()}/{fields[19].decode()}"


def is_alive(pid: int, birth: str | None) -> bool:
    """Whether the process `pid` with this birth still runs."""
    now = birth_of(pid)
    return now is not None and birth is not None and (now == birth or _UNSEEN in (now, birth))


@cache
def _boot() -> str:
    return _BOOT.read_text().strip()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
