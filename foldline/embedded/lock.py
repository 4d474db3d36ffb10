"""The lock of a data directory: one supervisor at a time."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from runtime.problems import Problem

_SETTING = "FOLDLINE_DATA_DIR"
# `is_held` takes the lock for a moment; a start at that moment waits this long, seconds.
_PROBE_S = 0.5


class DirectoryLock:
    """Held within its context by one process; the kernel releases it however that process ends.

    Entering raises Problem when another process holds it, or the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            file = self._path.open("a+")
        except OSError as exc:
            raise Problem(f"cannot write to {self._path}: {exc.strerror}", _SETTING) from exc
        deadline = time.monotonic() + _PROBE_S
        while not _try(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                file.seek(0)
                holder = file.read().strip()
                file.close()
                raise Problem(
                    f"already up in {self._path.parent.parent}"
                    + (f" (pid {holder})" if holder else "")
                    + ": stop it first, or use another directory",
                    _SETTING,
                )
            time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def is_held(path: Path) -> bool:
    """Whether a supervisor holds the lock now."""
    try:
        with path.open("r") as file:
            return not _try(file, fcntl.LOCK_SH)
    except OSError:
        return False


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
