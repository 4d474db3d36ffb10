"""The session daemon while the line is away, and after it was not there itself."""

import asyncio
import re

from schemas.facts import MESSAGE_ID
from schemas.subjects import is_token
from tests.integration.daemon_host import DaemonHost
from tests.integration.daemon_host import host as host_fixture
from tests.support.processes import Processes
from tests.support.waiting import wait_until

host = host_fixture


async def test_a_session_begun_without_the_line_is_a_session(host: DaemonHost) -> None:
    host.nats.kill()
    await host.start()
    session_id = await host.register()
    assert re.fullmatch(r"local-session-\d+-1-[0-9a-f]{6}", session_id)
    assert is_token(session_id)
    for number in range(5):
        await host.ask("event", session_id=session_id, name=f"e{number}")
        await host.ask("state", session_id=session_id, state={"n": number, "same": 1})
    host.daemon.kill()
    await host.start()
    await host.ask("metric", session_id=session_id, name="n", delta=3)
    await host.ask("heartbeat", session_id=session_id)
    await host.ask("end", session_id=session_id)
    other = await host.register()
    assert other != session_id
    await asyncio.to_thread(host.nats.start)
    await host.connected()
    await host.drained()
    await host.ask("event", session_id=other, name="after")
    facts = await host.said(session_id)
    assert [fact for fact, _ in facts] == ["created", *["event", "state"] * 5, "metric", "ended"]
    assert [body["name"] for fact, body in facts if fact == "event"] == [f"e{n}" for n in range(5)]
    assert [body["state"] for fact, body in facts if fact == "state"] == [
        {"n": number} | ({"same": 1} if number == 0 else {}) for number in range(5)
    ]
    assert [fact for fact, _ in await host.said(other)] == ["created", "event"]
    ids = [fact.headers[MESSAGE_ID] for fact in await host.stored()]
    assert len(set(ids)) == len(ids)

    async def beaten() -> list[str]:
        return [beat.session_id for beat in await host.stored("HEARTBEATS")]

    assert await wait_until(beaten) == [other]


async def test_an_outage_in_between_keeps_the_order(host: DaemonHost) -> None:
    await host.start()
    await host.connected()
    session_id = await host.register()
    sent = 0
    for away in (False, True, False):
        if away:
            host.nats.kill()
        elif sent:
            await asyncio.to_thread(host.nats.start)
        for _ in range(10):
            await host.ask("event", session_id=session_id, name=f"e{sent}")
            sent += 1
    await host.drained()
    assert [event["name"] for event in await host.events(session_id)] == [f"e{n}" for n in range(sent)]


async def test_a_restarted_daemon_goes_on_watching(host: DaemonHost) -> None:
    await host.start()
    await host.connected()
    silent, gone_meanwhile, gone_later = [host.application() for _ in range(3)]
    hanging = await host.register(silent.pid)
    first, second = await host.register(gone_meanwhile.pid), await host.register(gone_later.pid)
    await host.ask("heartbeat", session_id=hanging)
    await host.ask("state", session_id=second, state={"a": 1})
    assert host.daemon.stop() == 0
    gone_meanwhile.kill()
    await host.start()
    await host.until_said(first, "crashed")
    await host.until_event(hanging, "application_appears_hung")
    await host.ask("state", session_id=second, state={"a": 1, "b": 2})
    host.daemon.kill()
    await host.start()
    await host.ask("state", session_id=second, state={"a": 1, "b": 2})
    gone_later.kill()
    await host.until_said(second, "crashed")
    states = [body["state"] for fact, body in await host.said(second) if fact == "state"]
    assert states == [{"a": 1}, {"b": 2}, {"a": 1, "b": 2}], "known after SIGTERM, sent again after SIGKILL"
    assert [fact for fact, _ in await host.said(first)] == ["created", "event", "crashed"]


async def test_a_second_daemon_on_the_same_spool_says_why_it_ends(
    host: DaemonHost, processes: Processes
) -> None:
    await host.start()
    ports = {f"FOLDLINE_{name}_PORT": "0" for name in ("SIDECAR", "DAEMON")}
    second = processes.start("second", ("-m", "foldline", "sidecar"), host.settings, **ports)
    await wait_until(lambda: not second.running, 60)
    assert "database is locked (see FOLDLINE_SPOOL_DIR)" in second.text()
    assert "Traceback" not in second.text()


async def test_an_end_is_told_when_the_full_spool_is_empty(host: DaemonHost) -> None:
    host.settings = host.settings.model_copy(update={"spool_max_events": 2})
    host.settings.model_fields_set.add("spool_max_events")
    host.nats.kill()
    await host.start()
    session_id = await host.register()
    await host.ask("event", session_id=session_id, name="e")
    refused = await host.post("event", {"session_id": session_id, "name": "more"})
    assert refused.status_code == 503
    assert "the spool is full" in refused.json()["details"]
    await host.ask("end", session_id=session_id)
    assert (await host.post("end", {"session_id": session_id})).status_code == 404
    host.daemon.kill()
    await host.start()
    await asyncio.to_thread(host.nats.start)
    await host.until_said(session_id, "ended")
    assert [fact for fact, _ in await host.said(session_id)] == ["created", "event", "ended"]
