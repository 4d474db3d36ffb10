"""The session daemon while the line is away, and after it was not there itself."""

import asyncio
import re

from schemas.facts import MESSAGE_ID
from schemas.subjects import is_token
from tests.support.daemon_host import DaemonHost
from tests.support.processes import Processes
from tests.support.waiting import wait_until


async def test_a_session_begun_without_the_line_is_a_session(daemon_host: DaemonHost) -> None:
    daemon_host.nats.kill()
    await daemon_host.start()
    session_id = await daemon_host.register()
    assert re.fullmatch(r"local-session-\d+-1-[0-9a-f]{6}", session_id)
    assert is_token(session_id)
    for number in range(5):
        await daemon_host.ask("event", session_id=session_id, name=f"e{number}")
        await daemon_host.ask("state", session_id=session_id, state={"n": number, "same": 1})
    daemon_host.daemon.kill()
    await daemon_host.start()
    await daemon_host.ask("metric", session_id=session_id, name="n", delta=3)
    await daemon_host.ask("heartbeat", session_id=session_id)
    await daemon_host.ask("end", session_id=session_id)
    other = await daemon_host.register()
    assert other != session_id
    await asyncio.to_thread(daemon_host.nats.start)
    await daemon_host.connected()
    await daemon_host.drained()
    await daemon_host.ask("event", session_id=other, name="after")
    facts = await daemon_host.said(session_id)
    assert [fact for fact, _ in facts] == ["created", *["event", "state"] * 5, "metric", "ended"]
    assert [body["name"] for fact, body in facts if fact == "event"] == [f"e{n}" for n in range(5)]
    assert [body["state"] for fact, body in facts if fact == "state"] == [
        {"n": number} | ({"same": 1} if number == 0 else {}) for number in range(5)
    ]
    assert [fact for fact, _ in await daemon_host.said(other)] == ["created", "event"]
    ids = [fact.headers[MESSAGE_ID] for fact in await daemon_host.stored()]
    assert len(set(ids)) == len(ids)

    async def beaten() -> list[str]:
        return [beat.session_id for beat in await daemon_host.stored("HEARTBEATS")]

    assert await wait_until(beaten) == [other]


async def test_an_outage_in_between_keeps_the_order(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    await daemon_host.connected()
    session_id = await daemon_host.register()
    sent = 0
    for away in (False, True, False):
        if away:
            daemon_host.nats.kill()
        elif sent:
            await asyncio.to_thread(daemon_host.nats.start)
        for _ in range(10):
            await daemon_host.ask("event", session_id=session_id, name=f"e{sent}")
            sent += 1
    await daemon_host.drained()
    assert [event["name"] for event in await daemon_host.events(session_id)] == [f"e{n}" for n in range(sent)]


async def test_a_restarted_daemon_goes_on_watching(daemon_host: DaemonHost) -> None:
    await daemon_host.start()
    await daemon_host.connected()
    silent, gone_meanwhile, gone_later = [daemon_host.application() for _ in range(3)]
    hanging = await daemon_host.register(silent.pid)
    first, second = await daemon_host.register(gone_meanwhile.pid), await daemon_host.register(gone_later.pid)
    await daemon_host.ask("heartbeat", session_id=hanging)
    await daemon_host.ask("state", session_id=second, state={"a": 1})
    assert daemon_host.daemon.stop() == 0
    gone_meanwhile.kill()
    await daemon_host.start()
    await daemon_host.until_said(first, "crashed")
    await daemon_host.until_event(hanging, "application_appears_hung")
    await daemon_host.ask("state", session_id=second, state={"a": 1, "b": 2})
    daemon_host.daemon.kill()
    await daemon_host.start()
    await daemon_host.ask("state", session_id=second, state={"a": 1, "b": 2})
    gone_later.kill()
    await daemon_host.until_said(second, "crashed")
    states = [body["state"] for fact, body in await daemon_host.said(second) if fact == "state"]
    assert states == [{"a": 1}, {"b": 2}, {"a": 1, "b": 2}], "known after SIGTERM, sent again after SIGKILL"
    assert [fact for fact, _ in await daemon_host.said(first)] == ["created", "event", "crashed"]


async def test_a_second_daemon_on_the_same_spool_says_why_it_ends(
    daemon_host: DaemonHost, processes: Processes
) -> None:
    await daemon_host.start()
    ports = {f"FOLDLINE_{name}_PORT": "0" for name in ("SIDECAR", "DAEMON")}
    second = processes.start("second", ("sidecar",), daemon_host.settings, **ports)
    await wait_until(lambda: not second.running, 60)
    assert "database is locked (see FOLDLINE_SPOOL_DIR)" in second.text()
    assert "Traceback" not in second.text()


async def test_an_end_is_told_when_the_full_spool_is_empty(daemon_host: DaemonHost) -> None:
    daemon_host.settings = daemon_host.settings.model_copy(update={"spool_max_events": 2})
    daemon_host.settings.model_fields_set.add("spool_max_events")
    daemon_host.nats.kill()
    await daemon_host.start()
    session_id = await daemon_host.register()
    await daemon_host.ask("event", session_id=session_id, name="e")
    refused = await daemon_host.post("event", {"session_id": session_id, "name": "more"})
    assert refused.status_code == 503
    assert "the spool is full" in refused.json()["details"]
    await daemon_host.ask("end", session_id=session_id)
    assert (await daemon_host.post("end", {"session_id": session_id})).status_code == 404
    daemon_host.daemon.kill()
    await daemon_host.start()
    await asyncio.to_thread(daemon_host.nats.start)
    await daemon_host.until_said(session_id, "ended")
    assert [fact for fact, _ in await daemon_host.said(session_id)] == ["created", "event", "ended"]
