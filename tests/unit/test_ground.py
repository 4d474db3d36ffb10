"""What the checkout rests on: pinned versions, and the passwords of the container stack."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from foldline.settings import Settings

ROOT = Path(__file__).parents[2]


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_constraints_are_bare_versions_and_pin_all_that_is_declared() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    client = tomllib.loads((ROOT / "producers/client/pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = {
        _name(requirement)
        for group in (project["dependencies"], client["dependencies"], *extras)
        for requirement in group
    }
    assert declared - {_name(line) for line in lines} == {"foldline"}


def make_env(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "deploy" / "make-env", file], capture_output=True, text=True, check=False, timeout=30
    )


def _passwords(file: Path) -> list[str]:
    return re.findall(r"^STACK_[A-Z]+_PASSWORD=(\S+)$", file.read_text(), re.MULTILINE)


def test_passwords_are_made_at_random_and_once(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert make_env(file).returncode == 0
    passwords = _passwords(file)
    assert len(set(passwords)) == 3
    assert all(re.fullmatch("p[0-9a-f]{40}", password) for password in passwords)
    assert file.stat().st_mode & 0o077 == 0

    again = make_env(file)
    assert again.returncode == 1
    assert "left alone" in again.stderr
    assert _passwords(file) == passwords


def test_what_the_file_said_before_is_kept(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("FOLDLINE_SITE=fab1")  # without a newline at the end
    assert make_env(file).returncode == 0
    assert file.read_text().splitlines()[0] == "FOLDLINE_SITE=fab1"
    assert len(_passwords(file)) == 3


def test_a_password_that_is_new_is_added(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("STACK_NATS_PASSWORD=pold\n")
    assert make_env(file).returncode == 0
    assert _passwords(file)[0] == "pold"
    assert len(_passwords(file)) == 3


def test_they_are_no_settings_of_a_process_started_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_env(tmp_path / ".env")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FOLDLINE_")]:
        monkeypatch.delenv(name)
    assert Settings().model_fields_set == set()
