"""The command's entrance: quick to start, and plain when something is wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foldline.cli import COMMANDS
from foldline.openapi_document import openapi_document
from foldline.surfaces import DAEMON

ROOT = Path(__file__).parents[2]


def foldline(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FOLDLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "foldline", *arguments],
        env=environment | {"PYTHONPATH": str(ROOT)} | settings,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_the_commands(tmp_path: Path) -> None:
    done = foldline(tmp_path, "--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout


@pytest.mark.parametrize("command", ["api", "consumer"])
def test_without_a_database_there_is_one_line(tmp_path: Path, command: str) -> None:
    done = foldline(tmp_path, command)
    assert done.returncode == 1
    assert done.stderr == "foldline: no PostgreSQL: start `foldline up` or set FOLDLINE_DATABASE_URL\n"


def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path) -> None:
    done = foldline(tmp_path, "api", FOLDLINE_API_PORT="many")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("foldline: FOLDLINE_API_PORT: ")
    assert "'many'" in line


def test_an_unknown_setting_ends_like_a_wrong_one(tmp_path: Path) -> None:
    done = foldline(tmp_path, "api", FOLDLINE_NATS_ULR="nats://localhost")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == "foldline: FOLDLINE_NATS_ULR is no setting: did you mean FOLDLINE_NATS_URL?"


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done = foldline(tmp_path, "nope")
    assert done.returncode == 2
    assert "nope" in done.stderr


def test_the_entrance_imports_no_framework() -> None:
    code = (
        "import sys; import foldline.cli, foldline.embedded.running_stack; "
        "print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"faststream", "fastapi", "psycopg", "nats", "psutil", "opentelemetry"}
    assert not heavy & set(done.stdout.split())


def test_openapi_needs_no_server(tmp_path: Path) -> None:
    done = foldline(tmp_path, "openapi", "daemon")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == openapi_document(DAEMON)
    assert list(tmp_path.iterdir()) == []
    unknown = foldline(tmp_path, "openapi", "demon")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("foldline: no surface 'demon': known are api,")


@pytest.mark.parametrize("arguments", [("openapi", "api"), ("--help",), ("publish", "--help")])
def test_a_reader_that_has_read_enough_is_no_failure(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "foldline", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_while_the_command_is_imported_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = foldline(tmp_path, "status", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
