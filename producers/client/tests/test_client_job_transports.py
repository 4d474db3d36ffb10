"""Monitored over NATS, against a real server."""

import hashlib
from typing import Any

import nats
import pytest
from client_nats_server import NatsServer
from client_waiting import run
from nats.js.api import StreamConfig

from foldline_client import AppRef, Monitored

APP = AppRef("a-1", "processor")


@pytest.fixture(params=[True, False], ids=["batches", "singles"])
def line(bare_nats: NatsServer, request: pytest.FixtureRequest) -> NatsServer:
    bare_nats.start()
    run(_make_stream(bare_nats.url, allow_atomic=request.param))
    return bare_nats


async def _make_stream(url: str, *, allow_atomic: bool) -> None:
    client = await nats.connect(url)
    subjects = ["ev.*.job.*.*"]
    await client.jetstream().add_stream(StreamConfig("JOBS", subjects=subjects, allow_atomic=allow_atomic))
    await client.close()


def stored(line: NatsServer) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    return line.messages("JOBS")


def test_events_are_stored_under_their_job(line: NatsServer) -> None:
    with Monitored("fab1", APP, url=line.url) as job:
        with pytest.raises(ZeroDivisionError), job.subjob("part"):
            _ = 1 / 0
        job.tick(rows=1)
    stats = job.get_stats()
    assert stats is not None
    assert (stats["queued"], stats["rejected"]) == (0, 0)
    assert [subject for subject, _, _ in stored(line)] == [
        f"ev.fab1.job.{job.id}.{kind}" for kind in ("started", "started", "finished", "progress", "finished")
    ]
    for _, body, headers in stored(line):
        assert headers["Nats-Msg-Id"] == f"fab1:job:{job.id}:{body['idempotency_key']}"
        assert body["site_id"] == "fab1"
    assert stored(line)[2][1]["entity"]["parent_id"] == job.id
    assert stored(line)[2][1]["event"]["metadata"]["error_type"] == "ZeroDivisionError"


def test_ids_that_are_no_tokens_are_hashed(line: NatsServer) -> None:
    with Monitored("fab1", APP, url=line.url, id="batch 1.ü"):
        pass
    token = "h_" + hashlib.sha256("batch 1.ü".encode()).hexdigest()[:32]
    assert [subject for subject, _, _ in stored(line)] == [
        f"ev.fab1.job.{token}.started",
        f"ev.fab1.job.{token}.finished",
    ]
    _, body, headers = stored(line)[0]
    assert body["entity"]["id"] == "batch 1.ü"
    assert headers["Nats-Msg-Id"] == f"fab1:job:{token}:{body['idempotency_key']}"


def test_a_server_killed_under_way_gets_everything_once_and_in_order(line: NatsServer) -> None:
    with Monitored("fab1", APP, url=line.url, flush_timeout=30, retry_first=0.02, retry_max=0.2) as job:
        for number in range(300):
            job.tick(n=number)
            if number == 150:
                line.kill()
            if number == 250:
                line.start()
    bodies = [body for _, body, _ in stored(line)]
    assert [body["event"]["metrics"]["n"] for body in bodies[1:-1]] == list(range(300))
    assert (bodies[0]["event"]["kind"], bodies[-1]["event"]["kind"]) == ("started", "finished")


async def test_the_address_comes_from_the_environment(
    line: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FOLDLINE_URL", line.url)
    async with Monitored("fab1", APP) as job:
        pass
    assert [body["entity"]["id"] for _, body, _ in stored(line)] == [job.id] * 2
