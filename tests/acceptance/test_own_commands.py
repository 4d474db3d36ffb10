"""The `foldline` commands against a running stack."""

import hashlib
import json
import sys

import pytest

from consumers.reactors.catalogue import REACTOR_NAMES
from projections.catalogue import PROJECTIONS
from tests.acceptance.commands import foldline
from tests.acceptance.readme import tour
from tests.acceptance.sessions_api import SessionsApi, names
from tests.acceptance.shell import understood
from tests.acceptance.stack import Stack
from tests.support.jobs import job_event
from tests.support.line import Line, publish_raw
from tests.support.waiting import wait_until


def test_publish(api: SessionsApi, stack: Stack, unique: str) -> None:
    subject = f"ev.local.session.{unique}"
    created = foldline(stack, "publish", f"{subject}.created", '{"product":"Cli","version":"1"}')
    assert (created.code, created.err) == (0, "")
    first = foldline(stack, "publish", f"{subject}.event", '{"name":"e"}', "--key", "k", "--json").json()
    again = foldline(stack, "publish", f"{subject}.event", '{"name":"e"}', "--key", "k", "--json").json()
    assert again == {"position": first["position"], "duplicate": True}
    piped = foldline(
        stack,
        "publish",
        f"{subject}.event",
        "-",
        "--time",
        "2024-01-01T00:00:00Z",
        given='{"name":"piped ☕"}'.encode(),
    )
    document = api.session(unique, piped.out.strip())
    assert names(document["events"]) == ["e", "piped ☕"]
    assert document["events"][1]["timestamp"] == "2024-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("subject", "body", "says"),
    [
        ("ev.local.session.x.event", '{"nme":"typo"}', "Missing required field: name is required"),
        ("ev.local.session.x.event", '{"name":', "Failed to parse JSON"),
        ("ev.local.session.x.event", '{"name":"\\ud800"}', "surrogate"),
        ("ev.local.session.x.other", "{}", "unknown fact 'other'"),
        ("ev.local.session.x y.event", "{}", "is not ev.<site>.<entity>.<id>.<fact>"),
        ("nonsense", "{}", "is not ev.<site>.<entity>.<id>.<fact>"),
    ],
)
def test_publish_refuses(stack: Stack, subject: str, body: str, says: str) -> None:
    refused = foldline(stack, "publish", subject, body)
    assert (refused.code, refused.out) == (1, "")
    (line,) = refused.err.splitlines()
    assert line.startswith("foldline: ")
    assert says in line


async def test_tail(stack: Stack, line: Line, unique: str) -> None:
    await line.created(unique)
    sequence = await line.put("event", unique, {"name": "e"})
    await line.put("state", unique, b'{"broken":')
    await line.put("heartbeat", unique)
    subject = f"ev.local.session.{unique}"
    shown = foldline(stack, "tail", f"{subject}.>", "--all", "--count", "4", "--json")
    assert (shown.code, shown.err) == (0, "")
    facts = [json.loads(one) for one in shown.out.splitlines()]
    by_fact = {fact["subject"].removeprefix(subject + "."): fact for fact in facts}
    assert by_fact.keys() == {"created", "event", "state", "heartbeat"}
    assert by_fact["event"]["body"] == {"name": "e"}
    assert by_fact["event"]["position"].endswith(f":{sequence}")
    assert by_fact["state"]["raw"] == '{"broken":'
    assert by_fact["heartbeat"]["body"] == {}
    since = by_fact["event"]["stored_at"]
    plain = foldline(stack, "tail", f"{subject}.event", "--since", since, "--count", "1")
    assert plain.out.rstrip("\n").endswith(
        f'{by_fact["event"]["position"]}  {subject}.event  {{"name": "e"}}'
    )
    wrong = foldline(stack, "tail", "ev.*.batch.>")
    assert (wrong.code, wrong.err.startswith("foldline: no stream holds ev.*.batch.>")) == (1, True)


def test_publish_and_tail_of_a_job(stack: Stack, unique: str) -> None:
    """Stored without its id: who asks for one job gets none of the others under the same stored subject."""
    job = f"{unique} / 7"
    body = json.dumps(job_event(job, key="k"))
    subject = f"ev.fab1.job.h_{hashlib.sha256(job.encode()).hexdigest()[:32]}.started"
    wrong = foldline(stack, "publish", "ev.fab1.job.J1.started", body)
    assert (wrong.code, f"its subject is {subject}" in wrong.err) == (1, True)
    first, again = (foldline(stack, "publish", subject, body).out.split() for _ in range(2))
    assert again == [*first, "(already", "there)"]
    shown = foldline(
        stack, "tail", f"{subject.removesuffix('started')}*", "--all", "--count", "1", "--json"
    ).json()
    assert shown["subject"] == subject
    assert shown["body"]["entity"]["id"] == job


def test_status(api: SessionsApi, stack: Stack, session: str) -> None:
    found = foldline(stack, "status", "--json").json()
    assert {stream["name"] for stream in found["streams"]} == {"SESSIONS", "HEARTBEATS", "JOBS"}
    for follower in found["followers"]:
        held = sorted(part for parts in follower["owners"].values() for part in parts)
        assert (len(follower["owners"]), held, follower["unheld"]) == (2, list(range(16)), [])
    assert {follower["name"] for follower in found["followers"]} == {"sessions", "liveness", "jobs"}
    states = {reactor["name"]: reactor["state"] for reactor in found["reactors"]}
    assert states.items() >= {"liveness": "running", "expiry": "running", "sweep": "running"}.items()
    assert foldline(stack, "reactors", "--json").json()[0].keys() == found["reactors"][0].keys()
    shown = foldline(stack, "status")
    assert shown.code == 0
    words = ("SESSIONS", "HEARTBEATS", "JOBS", "sessions", "liveness", "jobs", "events", "expiry", "running")
    assert all(word in shown.out for word in words)


def test_only_what_is_there_is_paused(stack: Stack) -> None:
    refused = foldline(stack, "pause", "nothing", "--reason", "a test")
    assert refused.code == 1
    known = ", ".join([*(projection.name for projection in PROJECTIONS), *REACTOR_NAMES])
    assert refused.err == f"foldline: no projection or reactor 'nothing': known are {known}\n"


async def test_rejected(api: SessionsApi, stack: Stack, line: Line, unique: str) -> None:
    await line.created(unique)
    deep = await line.put("state", unique, b'{"a":' * 200 + b"1" + b"}" * 200)
    assert api.request("GET", f"/api/sessions/{unique}").status_code in (200, 404)
    last = await line.put("state", unique, {"good": True})
    part = foldline(stack, "publish", f"ev.local.session.{unique}.event", '{"name":"e"}').out.strip()
    assert api.session(unique, part)["state"]["good"] is True
    assert last > deep
    found = foldline(stack, "rejected", "--reason", "too_deep", "--limit", "1000", "--json").json()
    (ours,) = [item for item in found["items"] if item["sequence"] == deep]
    (served,) = [
        item
        for item in api.get("/v1/rejected", reason="too_deep", limit=1000)["items"]
        if item["sequence"] == deep
    ]
    assert ours == served
    assert ours["subject"] == f"ev.local.session.{unique}.state"
    assert found["counts"] == {"too_deep": len(found["items"])}
    shown = foldline(stack, "rejected", "--reason", "too_deep")
    assert (shown.code, unique in shown.out, str(deep) in shown.out) == (0, True, True)
    assert foldline(stack, "rejected", "--reason", "none").out == "no rejected events\n"
    assert foldline(stack, "rejected", "--projection", "none").code == 1


def test_asyncapi(stack: Stack) -> None:
    document = foldline(stack, "asyncapi").json()
    assert document["asyncapi"].startswith("3.")
    addresses = {channel["address"] for channel in document["channels"].values()}
    facts = ("created", "state", "event", "metric", "heartbeat", "crashed", "ended", "expired")
    kinds = ("started", "progress", "metric", "finished", "error", "canceled")
    assert addresses == {f"ev.{{site}}.session.{{id}}.{fact}" for fact in facts} | {
        f"ev.{{site}}.job.{{id}}.{kind}" for kind in kinds
    }


def test_demo(api: SessionsApi, stack: Stack) -> None:
    shown = foldline(stack, "demo", "--seconds", "1", "--rate", "100", "--sessions", "3", "--seed", "1")
    assert (shown.code, shown.out) == (0, "")
    session = shown.err.rstrip().rpartition("/")[2]
    assert f"{stack.api}/api/sessions/{session}" in shown.err
    assert api.until(session, active=False)["state"]["product"]


def test_the_commands_of_the_readme(stack: Stack) -> None:
    script = tour()[5].text.replace(".venv/bin/foldline", "foldline")
    commands = [line.split()[1] for line in script.splitlines()]
    assert commands == ["demo", "tail", "status", "publish", "rejected", "asyncapi", "openapi"]
    printed = {}
    for command, line in zip(commands, script.splitlines(), strict=True):
        # Of a machine's own the interpreter; and the tour may be livelier than a test is patient.
        there = line.replace("foldline", f"{sys.executable} -m foldline", 1).replace(
            "demo ", "demo --seconds 1 ", 1
        )
        printed[command] = understood(there, stack.environment())
    assert len(printed["tail"].splitlines()) == 5
    assert "liveness" in printed["status"]
    assert printed["publish"] == ""
    assert json.loads(printed["asyncapi"])["channels"]
    assert "/v1/jobs" in json.loads(printed["openapi"])["paths"]


@pytest.mark.parametrize("command", ["publish", "tail", "status", "rejected", "demo"])
def test_a_stack_that_is_away_is_one_line(stack: Stack, command: str) -> None:
    away = {
        "FOLDLINE_NATS_URL": "nats://127.0.0.1:9",
        "FOLDLINE_DATABASE_URL": "postgresql://u@127.0.0.1:9/d",
        "FOLDLINE_CONNECT_TIMEOUT": "0.3",
    }
    arguments = ["ev.local.session.x.ended"] if command == "publish" else []
    told = foldline(stack, command, *arguments, settings=away)
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("foldline: ")
    assert "(see FOLDLINE_" in told.err


async def test_rejected_shows_what_others_wrote_as_it_is(stack: Stack, line: Line, unique: str) -> None:
    """Brackets are no markup, and escape sequences do nothing to the terminal."""
    subject = f"ev.local.session.[/red]{unique}\x1b]0;owned.event"
    await publish_raw(stack.nats, (subject.encode(), b"", b"{}"))

    def shown() -> str:
        outcome = foldline(stack, "rejected", "--reason", "invalid_subject")
        assert (outcome.code, "\x1b" in outcome.out) == (0, False)
        return outcome.out if "[/red]" in outcome.out else ""

    assert await wait_until(shown)
