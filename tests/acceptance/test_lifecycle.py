"""The documented lifecycle works as pasted, and so does a client that knows NATS and JSON only."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.calls import WRITTEN, position
from tests.acceptance.sessions_api import SessionsApi
from tests.acceptance.shell import RUNNERS, Run
from tests.acceptance.stack import Stack

SCRIPT = Path(__file__).with_name("lifecycle.sh")


def check_lifecycle(session: dict[str, Any]) -> None:
    assert session["state"] == {
        "product": "MyApp",
        "version": "1.0.0",
        "status": "running",
        "user": "alice",
    }
    (event,) = session["events"]
    assert (event["name"], event["level"], event["data"]) == ("startup", "info", {"config": "prod"})
    (metric,) = session["metrics"]
    assert (metric["name"], metric["value"]) == ("memory_mb", 512.5)
    assert [step["state"].get("status") for step in session["state_history"]] == [None, "running"]
    assert session["last_heartbeat"]
    assert session["ended_at"]
    flags = [session[flag] for flag in ("active", "crashed", "hung", "suspended")]
    assert flags == [False, False, False, False]


@pytest.mark.parametrize("run", RUNNERS)
def test_the_documented_lifecycle(stack: Stack, run: Run) -> None:
    printed = run(stack.replaced(SCRIPT.read_text()), stack.environment())
    written = json.dumps(WRITTEN, separators=(",", ":")) * 5
    assert printed.startswith(written)
    check_lifecycle(json.loads(printed.removeprefix(written)))


def test_a_script_with_nats_and_json_only(stack: Stack, api: SessionsApi, unique: str) -> None:
    path = Path(__file__).with_name("plain_nats.py")
    imports = [line for line in path.read_text().splitlines() if line.startswith(("import", "from"))]
    assert imports == ["import asyncio", "import json", "import nats"]
    done = subprocess.run(
        [sys.executable, path],
        input=f"{stack.nats} {unique}",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    newest = json.loads(done.stdout)
    assert newest.keys() == {"SESSIONS", "HEARTBEATS"}
    session = api.session(unique, *(position(unique, newest[stream], stream) for stream in newest))
    assert session["id"] == session["session_id"] == unique
    assert (session["site"], session["hostname"], session["machine_id"]) == ("local", "h1", f"m-{unique}")
    assert session["ended_at"] == "2026-01-31T12:00:01.000000Z"
    assert session["state"] == {
        "product": "Plain",
        "version": "2.0",
        "status": "run",
        "user": {"name": "alice"},
    }
    assert [step["state"].get("user") for step in session["state_history"]] == [
        None,
        {"name": "alice", "role": "admin"},
        {"name": "alice"},
    ]
    assert session["state_history"][2]["timestamp"] == "2026-01-31T12:00:00.000000Z"
    login, boom, once = session["events"]
    assert (login["level"], login["category"], login["labels"]) == ("warning", "info", ["a", "b"])
    assert login["data"] == {"by": "alice"}
    assert (boom["level"], boom["category"], boom["stacktrace"]) == ("error", "error", ["f"])
    assert (boom["exception_type"], boom["exception_msg"], once["name"]) == ("ValueError", "no", "once")
    rtt, early = session["metrics"]
    assert rtt.pop("timestamp") >= session["created_at"]
    assert rtt == {"name": "rtt", "value": 12.5, "type": "timer", "unit": "ms", "tags": ["api"]}
    assert (early["value"], early["timestamp"]) == (-1, "2026-01-31T12:00:00.000000Z")
    assert session["last_heartbeat"] == session["updated_at"] > session["created_at"]
    flags = [session[flag] for flag in ("active", "crashed", "hung", "suspended")]
    assert flags == [False, False, False, False]
