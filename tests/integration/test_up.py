"""`foldline up` from outside: started, disturbed and stopped as an operator, or bad luck, would."""

import json
import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from foldline.embedded.running_stack import load_stack, resolve
from foldline.settings import Settings
from tests.support.up_run import PORTS, UpRun
from tests.support.waiting import wait_until_sync


def query(stack: dict[str, Any], sql: str) -> Any:
    with psycopg.connect(stack["database_url"]) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


def answers(stack: dict[str, Any]) -> bool:
    try:
        query(stack, "select 1")
    except psycopg.OperationalError:
        return False
    return True


def seconds(promised: float) -> float:
    """What is promised on a machine of one's own, stretched when others use the cores as well."""
    return promised * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def test_two_starts_share_the_data_and_stop_cleanly(open_folder: Path) -> None:
    data = open_folder / "data"
    with UpRun(data, FOLDLINE_CONSUMERS="2") as run:
        stack = run.ready()
        assert stat.S_IMODE((data / "run" / "stack.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "postgres").stat().st_mode) == 0o700
        query(stack, "create table kept as select 42 as answer")
        names = {path.stem for path in (data / "run").glob("*.pid")}
        assert names == {"nats", "postgres", "api", "sidecar", "consumer-1", "consumer-2"}
        run.press_ctrl_c()
        code, said = run.end()
        assert code == 0, said
        assert run.gone()
    for consumer in ("consumer-1", "consumer-2"):
        log = (data / "log" / f"{consumer}.log").read_text()
        assert "drained while both servers answered" in log
    assert "database system is shut down" in (data / "log" / "postgres.log").read_text()
    assert not (data / "run" / "stack.json").exists()

    began = time.monotonic()
    with UpRun(data) as run:
        stack = run.ready()
        assert time.monotonic() - began < seconds(5)
        assert query(stack, "select answer from kept") == [(42,)]
        assert query(stack, "show fsync") == [("on",)]
        assert run.stop()[0] == 0


def test_other_commands_find_the_stack_and_only_a_running_one(open_folder: Path) -> None:
    data = open_folder / "data"
    with UpRun(data) as run:
        stack = run.ready()
        found = load_stack(data)
        assert found is not None
        assert found.as_json() == stack
        resolved = resolve(Settings(data_dir=data, api_port=1234))
        assert (resolved.database_url, resolved.nats_url) == (stack["database_url"], stack["nats_url"])
        assert resolved.api_port == 1234
        run.send(signal.SIGKILL)
        run.end()
        assert (data / "run" / "stack.json").exists()
        assert load_stack(data) is None


@pytest.mark.parametrize("name", ["nats", "postgres", "consumer-1", "api"])
def test_what_is_killed_comes_back_at_the_same_place(open_folder: Path, name: str) -> None:
    with UpRun(open_folder / "data") as run:
        stack = run.ready()
        query(stack, "create table kept as select 42 as answer")
        before = run.child(name)
        assert before is not None
        before.kill()
        after = wait_until_sync(lambda: (child := run.child(name)) and child != before and child)
        assert after.cmdline() == before_cmdline(run, name)
        wait_until_sync(lambda: answers(stack))
        assert query(stack, "select answer from kept") == [(42,)]
        port = int(stack["nats_url"].rpartition(":")[2])
        wait_until_sync(lambda: listens(port) and listens(stack["api_port"]))
        code, said = run.stop()
        assert code == 0
        assert f"{name} ended (Killed), restarting in 0.2 s" in said
        assert run.gone()


def before_cmdline(run: UpRun, name: str) -> list[str]:
    recorded: dict[str, list[str]] = json.loads((run.data_dir / "run" / f"{name}.pid").read_text())
    return recorded["argv"]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_killed_supervisor_takes_everything_with_it(open_folder: Path) -> None:
    data = open_folder / "data"
    with UpRun(data) as run:
        stack = run.ready()
        query(stack, "create table kept as select 42 as answer")
        run.send(signal.SIGKILL)
        run.end()
        with UpRun(data) as successor:  # at once: some of the first may still be going down
            assert query(successor.ready(), "select answer from kept") == [(42,)]
            wait_until_sync(run.gone)
            assert successor.stop()[0] == 0


def test_only_one_at_a_time(open_folder: Path) -> None:
    with UpRun(open_folder / "data") as run:
        run.ready()
        with UpRun(open_folder / "data") as second:
            code, said = second.end()
        assert code == 1
        where = open_folder / "data"
        assert said == (
            f"foldline: already up in {where} (pid {run.pid}): stop it first, or use another directory"
            " (see FOLDLINE_DATA_DIR)\n"
        )
        assert run.stop()[0] == 0


@pytest.mark.parametrize("setting", PORTS)
def test_a_taken_port_is_named(open_folder: Path, setting: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with UpRun(open_folder / "data", **{setting: str(port)}) as run:
            code, said = run.end()
    assert code == 1
    (line,) = said.splitlines()
    assert f"port {port}" in line
    assert setting in line


def test_a_directory_that_cannot_be_written_is_named(open_folder: Path) -> None:
    (open_folder / "file").touch()
    with UpRun(open_folder / "file" / "data") as run:
        code, said = run.end()
    assert (code, said) == (
        1,
        f"foldline: cannot write to {open_folder}/file/data: Not a directory (see FOLDLINE_DATA_DIR)\n",
    )


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_a_server_that_is_too_old_or_missing_is_named(open_folder: Path) -> None:
    old_nats = program(open_folder / "old" / "nats-server", "nats-server: v2.11.9")
    program(open_folder / "old" / "postgres", "postgres (PostgreSQL) 15.4")
    program(open_folder / "old" / "initdb", "")
    for setting, value, expected in (
        ("FOLDLINE_NATS_SERVER", str(old_nats), "nats-server 2.11.9 is too old, 2.12.0 is needed"),
        ("FOLDLINE_NATS_SERVER", str(open_folder / "none"), "name a nats-server"),
        ("FOLDLINE_POSTGRES_BIN", str(open_folder / "old"), "PostgreSQL 15.4 is too old, 16 is needed"),
        ("FOLDLINE_POSTGRES_BIN", str(open_folder), "has no program postgres"),
    ):
        with UpRun(open_folder / "data", **{setting: value}) as run:
            code, said = run.end()
        assert code == 1
        problem = said.splitlines()[-1]
        assert expected in problem
        assert setting in problem
        assert run.gone()


def test_a_failing_part_ends_the_start_with_its_last_words(open_folder: Path) -> None:
    with UpRun(open_folder / "data", "api-fails") as run:
        code, said = run.end()
        assert code == 1
        assert "foldline: api ended while starting (exit code 1)" in said
        assert said.rstrip().endswith("the reason is in the log")
        assert run.gone()
        assert not list((open_folder / "data" / "run").glob("*.pid"))


def test_a_second_ctrl_c_hurries(open_folder: Path) -> None:
    with UpRun(open_folder / "data", "deaf") as run:
        run.ready()
        wait_until_sync(lambda: "deaf" in (open_folder / "data" / "log" / "consumer-1.log").read_text())
        began = time.monotonic()
        run.press_ctrl_c()
        wait_until_sync(lambda: run.child("api") is None)
        run.press_ctrl_c()
        code, said = run.end()
        assert code == 0, said
        assert time.monotonic() - began < 10
        assert run.gone()


def test_ephemeral_leaves_nothing(open_folder: Path) -> None:
    with UpRun(open_folder / "unused", "ephemeral") as run:
        run.ready()
        folder = run.directory()
        assert (folder / "postgres" / "PG_VERSION").exists()
        assert run.stop()[0] == 0
        assert not folder.exists()
        assert not (open_folder / "unused").exists()


def test_servers_that_run_already_are_used(open_folder: Path) -> None:
    with UpRun(open_folder / "first") as first:
        stack = first.ready()
        with UpRun(
            open_folder / "second",
            FOLDLINE_EXTERNAL_NATS="true",
            FOLDLINE_EXTERNAL_POSTGRES="true",
            FOLDLINE_NATS_URL=stack["nats_url"],
            FOLDLINE_NATS_MONITOR_URL=stack["nats_monitor_url"],
            FOLDLINE_DATABASE_URL=stack["database_url"],
        ) as second:
            used = second.ready()
            same = ("nats_url", "nats_monitor_url", "database_url")
            assert {key: used[key] for key in same} == {key: stack[key] for key in same}
            names = {path.stem for path in (open_folder / "second" / "run").glob("*.pid")}
            assert names == {"api", "sidecar", "consumer-1"}
            assert second.stop()[0] == 0
        assert answers(stack)
        assert first.stop()[0] == 0


def test_the_real_thing_is_ready_within_five_seconds_of_a_second_start(open_folder: Path) -> None:
    data = open_folder / "data"
    command = [sys.executable, "-m", "foldline", "up", "--json", "--data-dir", str(data), "--consumers", "2"]
    with UpRun(data, command=command) as run:
        stack = run.ready()
        session = f"{stack['api_url']}/api/sessions"
        created = httpx.post(session, json={"product": "p", "version": "1"})
        assert created.status_code in (200, 201), created.text
        code, said = run.stop()
        assert code == 0, said
        assert "killed" not in said.lower()
        assert "ending it now" not in said
        assert run.gone()
    began = time.monotonic()
    with UpRun(data, command=command) as run:
        stack = run.ready()
        assert time.monotonic() - began < seconds(5)
        assert len(httpx.get(f"{stack['api_url']}/api/data/sessions").json()) == 1
        assert run.stop()[0] == 0
