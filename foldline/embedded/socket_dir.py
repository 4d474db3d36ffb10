"""The directory of PostgreSQL's unix socket, whose path must be short."""

import hashlib
import tempfile
from pathlib import Path

SOCKET_PORT = "5432"
_LONGEST = 107  # bytes of a socket's path


def socket_dir(data: Path) -> Path:
    """The data directory itself, which PostgreSQL keeps closed to others.

    When its path is too long for a socket: a directory in the temporary one, whose name follows from the
    path, so that a restart finds it again.
    """
    if len(str(data / f".s.PGSQL.{SOCKET_PORT}.lock").encode()) <= _LONGEST:
        return data
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"foldline-{digest}"
