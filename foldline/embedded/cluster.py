"""PostgreSQL's cluster: its directory is made once by initdb, then checked against the programs."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from foldline.embedded.binaries import postgres_version
from foldline.embedded.process import tie_to_parent
from foldline.embedded.system_user import SystemUser
from runtime.problems import Problem

BUILTIN_LOCALES = 17  # the release that brought them: the same order of text on every machine


def ensure_cluster(
    directory: Path, *, programs: Path, superuser: str, user: SystemUser | None, durable: bool
) -> None:
    """Make the directory a cluster owned by `user`, unless it is one. Raises Problem."""
    version = postgres_version(programs).partition(".")[0]
    if (made_by := directory / "PG_VERSION").exists():
        if (found := made_by.read_text().strip()) != version:
            raise Problem(
                f"{directory} was made by PostgreSQL {found}, but the programs are of {version}:"
                f" name programs of {found}, or upgrade the directory with pg_upgrade",
                "FOLDLINE_POSTGRES_BIN",
            )
        return
    # Made beside its place and renamed, so that an interrupted initdb never looks like a database.
    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user is not None:
        user.own(unfinished)
    builtin = int(version) >= BUILTIN_LOCALES
    locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if builtin else ["--no-locale"]
    # Trust is for who can reach the socket, and its directory lets nobody else in.
    options = ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", *locale]
    _initdb(programs, unfinished, user, ["-U", superuser, *options, *([] if durable else ["--no-sync"])])
    if directory.is_dir():
        directory.rmdir()
    unfinished.rename(directory)


def _initdb(programs: Path, directory: Path, user: SystemUser | None, options: list[str]) -> None:
    done = subprocess.run(
        [str(programs / "initdb"), "-D", str(directory), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env=postgres_environment(),
        start_new_session=True,
        preexec_fn=tie_to_parent(signal.SIGKILL),
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )
    if done.returncode != 0:
        lines = tuple((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise Problem(f"initdb of {directory} failed", "FOLDLINE_DATA_DIR", lines)


def postgres_environment() -> dict[str, str]:
    """Our environment without PG* variables and locale, which would change how the server works."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
