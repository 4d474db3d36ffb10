"""The addresses of a running stack, as other commands and its own children find them."""

import stat
from pathlib import Path

import pytest

from foldline.embedded.layout import Layout
from foldline.embedded.lock import DirectoryLock
from foldline.embedded.running_stack import Stack, load_stack, resolve
from foldline.settings import Settings
from foldline.surfaces import API
from runtime.problems import Problem


def a_stack() -> Stack:
    return Stack(
        nats_url="nats://127.0.0.1:1",
        nats_monitor_url=None,
        database_url="postgresql://x",
        host="0.0.0.0",
        ports={"api": 9, "jobs": 8, "sidecar": 7, "daemon": 6},
    )


def test_a_stack_counts_only_while_its_lock_is_held(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.create()
    with DirectoryLock(layout.lock):
        assert load_stack(tmp_path) is None
        a_stack().save(layout.stack)
        assert load_stack(tmp_path) == a_stack()
        assert stat.S_IMODE(layout.stack.stat().st_mode) == 0o600
    assert load_stack(tmp_path) is None


def test_what_is_set_stays_and_the_rest_comes_from_the_stack(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.create()
    with DirectoryLock(layout.lock):
        a_stack().save(layout.stack)
        resolved = resolve(Settings(data_dir=tmp_path, nats_url="nats://elsewhere:4222"))
    assert resolved.nats_url == "nats://elsewhere:4222"
    assert resolved.database_url == "postgresql://x"
    assert resolved.api_port == 9


def test_without_a_stack_a_database_must_be_named(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "none")
    with pytest.raises(Problem, match="start `foldline up` or set FOLDLINE_DATABASE_URL"):
        resolve(settings)
    assert resolve(settings, database=False) == settings


def test_children_are_told_every_address() -> None:
    assert a_stack().environment() == {
        "FOLDLINE_NATS_URL": "nats://127.0.0.1:1",
        "FOLDLINE_DATABASE_URL": "postgresql://x",
        "FOLDLINE_HOST": "0.0.0.0",
        "FOLDLINE_API_PORT": "9",
        "FOLDLINE_JOBS_PORT": "8",
        "FOLDLINE_SIDECAR_PORT": "7",
        "FOLDLINE_DAEMON_PORT": "6",
    }
    assert a_stack().url(API) == "http://127.0.0.1:9"
