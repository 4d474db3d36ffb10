"""The session daemon as the process it is: what applications report, and what they cannot report."""

import json
import os
import uuid
from typing import Any

import pytest

from schemas.facts import MESSAGE_ID
from tests.support.daemon_host import DaemonHost
from tests.support.waiting import wait_until


async def test_reports_are_on_the_line(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    await daemon_host.connected()
    session_id = await daemon_host.register(machine_id="M1", color="red")
    assert str(uuid.UUID(session_id)) == session_id
    at = "2026-01-31T12:00:00Z"
    done = {"success": True, "status": "ok"}
    assert await daemon_host.ask("state", session_id=session_id, state={"a": {"b": 1}}, timestamp=at) == done
    event = {"name": "clicked", "level": "info", "labels": ["ui"], "data": {"x": 1.5}, "unknown": None}
    await daemon_host.ask("event", session_id=session_id, **event)
    gauge = {"name": "fps", "value": 59.5, "tags": ["gpu"]}
    await daemon_host.ask("metric", session_id=session_id, **gauge)
    await daemon_host.ask("metric", session_id=session_id, name="load", type="timer", value=2, unit="s")
    await daemon_host.ask("heartbeat", session_id=session_id)
    await wait_until(lambda: _beats(daemon_host, session_id))
    assert (await daemon_host.get("health")).json() == {"status": "ok", "sessions": 1}
    shown = (await daemon_host.get("session", session_id=session_id)).json()
    assert (await daemon_host.get("sessions")).json() == [shown]
    assert (shown["id"], shown["active"], shown["hung"]) == (session_id, True, False)
    assert shown["state"] == {"product": "P", "version": "1", "a": {"b": 1}}
    assert shown["last_heartbeat"]
    assert await daemon_host.ask("end", session_id=session_id) == done
    created, *rest = await daemon_host.said(session_id)
    assert created == (
        "created",
        {"product": "P", "version": "1", "machine_id": "M1", "color": "red", "hostname": os.uname().nodename},
    )
    assert rest == [
        ("state", {"state": {"a": {"b": 1}}, "timestamp": at}),
        ("event", event),
        ("metric", gauge),
        ("metric", {"name": "load", "type": "timer", "value": 2, "unit": "s"}),
        ("ended", {}),
    ]
    ids = [fact.headers[MESSAGE_ID] for fact in await daemon_host.stored()]
    assert len(set(ids)) == len(ids)
    assert all(message_id.startswith(f"local:session:{session_id}:daemon-") for message_id in ids)
    assert (await daemon_host.post("event", {"session_id": session_id, "name": "late"})).status_code == 404
    assert (await daemon_host.get("health")).json()["sessions"] == 0
    assert daemon_host.daemon.running
    assert daemon_host.daemon.stop() == 0


async def _beats(daemon_host: DaemonHost, session_id: str) -> bool:
    return session_id in [beat.session_id for beat in await daemon_host.stored("HEARTBEATS")]


async def test_what_is_said_again_is_not_sent_again(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    session_id = await daemon_host.register()
    for state in (
        {"product": "P", "a": {"x": 1, "y": [1, 2]}, "b": None},
        {"a": {"y": [1, 2], "x": 1}, "b": None},
        {"a": {"x": 1}, "b": None, "c": 1},
        {"a": {"x": 1, "y": [1, 2]}, "state": {"inner": 1}},
        {},
    ):
        await daemon_host.ask("state", session_id=session_id, state=state)
    await daemon_host.drained()
    assert [body["state"] for fact, body in await daemon_host.said(session_id) if fact == "state"] == [
        {"a": {"x": 1, "y": [1, 2]}, "b": None},
        {"a": {"x": 1}, "c": 1},
        {"a": {"x": 1, "y": [1, 2]}, "state": {"inner": 1}},
    ]


async def test_totals_are_cumulative_and_survive_a_kill(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    session_id = await daemon_host.register()

    async def totals(name: str) -> list[dict[str, Any]]:
        return [body for fact, body in await daemon_host.said(session_id) if body.get("name") == name]

    async def newest_is(value: float, name: str = "requests") -> bool:
        return [body["value"] for body in await totals(name)][-1:] == [value]

    for tags in (["a", "b"], ["b", "a"]):
        await daemon_host.ask(
            "metric", session_id=session_id, name="requests", type="counter", delta=2, tags=tags
        )
    await daemon_host.ask("metric", session_id=session_id, name="other", delta=1)
    await wait_until(lambda: newest_is(4))
    daemon_host.daemon.kill()
    await daemon_host.start()
    await daemon_host.ask(
        "metric", session_id=session_id, name="requests", type="counter", delta=0.5, tags=["b", "a"]
    )
    for value in (0.002, 0.2, 100):
        await daemon_host.ask(
            "metric", session_id=session_id, name="took", type="histogram", value=value, unit="s"
        )
    await daemon_host.ask("metric", session_id=session_id, name="requests", type="counter", value=7)
    await daemon_host.ask("end", session_id=session_id)
    await daemon_host.until_said(session_id, "ended")
    values = [(body["value"], body.get("tags")) for body in await totals("requests")]
    assert values[-2:] == [(7, None), (4.5, ["a", "b"])] or values[-2:] == [(4.5, ["a", "b"]), (7, None)]
    assert values.count((4.0, ["a", "b"])) == 1
    assert [body["value"] for body in await totals("other")] == [1.0]
    took = (await totals("took"))[-1]
    assert took["value"] == took["metadata"]["sum"] / 3 == pytest.approx(100.202 / 3)
    assert (took["type"], took["unit"], took["count"], took["metadata"]["count"]) == ("histogram", "s", 3, 3)
    buckets = {bucket["le"]: bucket["count"] for bucket in took["metadata"]["buckets"]}
    assert len(buckets) == 15
    assert {le: count for le, count in buckets.items() if count} == {0.005: 1, 0.25: 1, 60.0: 1}
    assert (await daemon_host.said(session_id))[-1][0] == "ended"


async def test_a_silent_application_hangs_until_it_is_back(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    beating, paused, other = [await daemon_host.register() for _ in range(3)]
    await daemon_host.ask("heartbeat", session_id=beating)
    await daemon_host.ask("heartbeat", session_id=paused)
    await daemon_host.ask("pause_heartbeat", session_id=paused)
    hung = await daemon_host.until_event(beating, "application_appears_hung")
    assert (hung["level"], hung["category"], hung["group"]) == ("error", "error", "datacat.daemon")
    assert hung["labels"] == ["heartbeat", "hung"]
    assert hung["data"]["seconds_since_heartbeat"] > 1
    assert hung["data"]["last_heartbeat"]
    assert (await daemon_host.get("session", session_id=beating)).json()["hung"]
    daemon_host.daemon.kill()
    await daemon_host.start()
    await daemon_host.ask("heartbeat", session_id=beating)
    recovered = await daemon_host.until_event(beating, "application_recovered")
    assert (recovered["category"], recovered["group"]) == ("info", "datacat.daemon")
    await daemon_host.ask("resume_heartbeat", session_id=paused)
    await daemon_host.until_event(paused, "application_appears_hung")
    assert await daemon_host.events(other) == []
    names = [event["name"] for event in await daemon_host.events(beating)]
    assert names[:2] == ["application_appears_hung", "application_recovered"]


async def test_a_killed_application_has_crashed(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    application, other = daemon_host.application(), daemon_host.application()
    crashed, ended = await daemon_host.register(application.pid), await daemon_host.register(application.pid)
    alive = await daemon_host.register(other.pid)
    await daemon_host.ask("metric", session_id=crashed, name="n", delta=1)
    await daemon_host.ask("end", session_id=ended)
    application.kill()
    await daemon_host.until_said(crashed, "crashed")
    *_, metric, event, last = await daemon_host.said(crashed)
    assert (metric[0], metric[1]["value"]) == ("metric", 1.0)
    assert (event[1]["name"], event[1]["data"]["parent_pid"]) == ("parent_process_crashed", application.pid)
    assert last == ("crashed", {"reason": "parent_process_terminated"})
    assert [fact for fact, _ in await daemon_host.said(ended)] == ["created", "ended"]
    assert [body["id"] for body in (await daemon_host.get("sessions")).json()] == [alive]


async def test_what_makes_no_sense_is_told(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    session_id = await daemon_host.register()
    for path, body, status, error in (
        ("event", {"name": "x"}, 400, "Missing session_id parameter"),
        ("end", {"session_id": 7}, 400, "Missing session_id parameter"),
        ("heartbeat", {"session_id": "nobody"}, 404, "Session not found"),
        ("event", {"session_id": session_id}, 400, "Missing required field"),
        ("state", {"session_id": session_id, "state": [1]}, 400, "Invalid request"),
        ("metric", {"session_id": session_id, "name": "n", "delta": -1}, 400, "Invalid request"),
        (
            "metric",
            {"session_id": session_id, "name": "n", "type": "histogram"},
            400,
            "Missing required field",
        ),
        (
            "metric",
            {"session_id": session_id, "name": "n", "type": "what", "value": 1},
            400,
            "Invalid request",
        ),
        ("register", {"parent_pid": 1, "product": "", "version": "1"}, 400, "Missing required field"),
        ("register", {"parent_pid": 2**40, "product": "P", "version": "1"}, 400, "Invalid request"),
        ("register", [], 400, "Invalid request"),
        ("health", {}, 405, "Method not allowed"),
        ("event", {"session_id": session_id, "name": "x" * (1 << 20)}, 413, "Request body too large"),
    ):
        answer = await daemon_host.post(path, body)
        assert (answer.status_code, answer.json()["error"]) == (status, error), (path, answer.text)
        assert answer.json()["details"]
    assert (await daemon_host.get("session")).json()["error"] == "Missing session_id parameter"
    assert (await daemon_host.get("session", session_id="nobody")).status_code == 404
    assert (await daemon_host.get("register")).status_code == 405
    for delta in (1e308, 1e308):
        answer = await daemon_host.post("metric", {"session_id": session_id, "name": "much", "delta": delta})
    assert (answer.status_code, json.loads(answer.text)["error"]) == (400, "Invalid request")
    assert [fact for fact, _ in await daemon_host.said(session_id) if fact != "metric"] == ["created"]
