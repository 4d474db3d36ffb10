"""One supervisor a data directory."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from runtime.problems import Problem

_SETTING = "FOLDLINE_DATA_DIR"
# Others look whether the lock is held by taking it for a moment; a start must not stumble over that.
_GLANCE = 0.5


class DirectoryLock:
    """Held within its context, by one process; the kernel lets go of it however that ends.

    Entering raises Problem when somebody else holds it, or the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            file = self._path.open("a+")
        except OSError as exc:
            raise Problem(f"cannot write to {self._path}: {exc.strerror}", _SETTING) from exc
        deadline = time.monotonic() + _GLANCE
        while not _try(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                file.seek(0)
                holder = file.read().strip()
                file.close()
                raise Problem(
                    f"already up in {self._path.parent.parent}" + (f" (pid {holder})" if holder else ""),
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
    """Whether a supervisor runs there now."""
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
