"""The README's tour works as it is pasted; nothing but the addresses is replaced."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.readme import tour
from tests.acceptance.sessions_api import SessionsApi, names
from tests.acceptance.shell import RUNNERS, Run
from tests.acceptance.stack import Stack
from tests.support.waiting import wait_until_sync

WRITTEN = '{"success":true,"status":"ok"}'


def run_python(stack: Stack, folder: Path, text: str) -> str:
    path = folder / "example.py"
    path.write_text(stack.replaced(text))
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        env=stack.environment(),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_tour_has_the_blocks_that_are_tested() -> None:
    assert [example.language for example in tour()] == ["sh", "python", "sh", "python", "sh", "sh"]


@pytest.mark.parametrize("run", RUNNERS)
def test_with_a_job(stack: Stack, run: Run) -> None:
    """What the sidecar took is read a moment later; pasted again it is the same event."""

    def shown() -> bool:
        printed = run(stack.replaced(tour()[4].text), stack.environment())
        assert printed.startswith('{"ok":true}')
        jobs = json.loads(printed.removeprefix('{"ok":true}'))
        return "job-1" in {job["job_id"] for job in jobs["items"]}

    wait_until_sync(shown)


@pytest.mark.parametrize("run", RUNNERS)
def test_with_curl(stack: Stack, run: Run) -> None:
    printed = run(stack.replaced(tour()[0].text), stack.environment())
    assert printed.startswith(WRITTEN * 5)
    document = json.loads(printed.removeprefix(WRITTEN * 5))
    expected = {"product": "MyApp", "version": "1.0.0", "status": "running", "user": {"name": "alice"}}
    assert document["state"] == expected
    assert names(document["events"]) == ["startup"]
    assert [metric["value"] for metric in document["metrics"]] == [512.5]
    assert document["last_heartbeat"]
    assert document["ended_at"] is None


@pytest.mark.parametrize("run", RUNNERS)
def test_with_a_plain_nats_client(api: SessionsApi, stack: Stack, tmp_path: Path, run: Run) -> None:
    _, script, look, *_ = tour()
    printed = run_python(stack, tmp_path, script.text).splitlines()
    assert [line.split()[0] for line in printed] == [
        "created",
        "state",
        "event",
        "metric",
        "heartbeat",
        "ended",
    ]
    api.until("plain-1", active=False)
    document = json.loads(run(stack.replaced(look.text), stack.environment()))
    assert document["state"] == {"product": "PlainApp", "version": "2.0", "progress": {"percent": 40}}
    assert document["events"][0]["data"] == {"user": "alice"}
    assert document["metrics"][0]["value"] == 0.7
    assert document["last_heartbeat"]


def test_with_the_client_library(api: SessionsApi, stack: Stack, tmp_path: Path) -> None:
    # The example does not tell its id: the newest session is asked for, of those there were not before.
    before = {one["id"] for one in api.get("/api/data/sessions", product="MyApp", timelines="false")}
    assert run_python(stack, tmp_path, tour()[3].text) == ""
    (session,) = {
        one["id"] for one in api.get("/api/data/sessions", product="MyApp", status="ended")
    } - before
    document = api.session(session)
    assert document["state"] == {"product": "MyApp", "version": "1.0.0", "status": "running"}
    assert names(document["events"]) == ["startup"]
    assert names(document["metrics"]) == ["memory_mb"]
