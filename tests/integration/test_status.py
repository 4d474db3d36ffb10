"""`foldline status`, `reactors` and `projections` while a stream is gone, and for a reader that leaves."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from line.identity import check_identity
from line.jetstream import request_api, stream_info
from line.problems import StreamGone, StreamUnavailable
from line.status import read_status
from runtime.database.connections import Connection
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.processes import ROOT, Processes


async def told(processes: Processes, settings: Settings, *arguments: str) -> tuple[int, str]:
    command = processes.start("-".join(arguments), arguments, settings)
    return await asyncio.to_thread(command.wait, 60), command.text()


@pytest.mark.parametrize("stream", ["JOBS", "SESSIONS"])
async def test_what_is_there_is_shown_while_a_stream_is_gone(
    settings: Settings, nc: Client, db: Connection, processes: Processes, stream: str
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await line.created("S1")
        await model.passed("S1", await line.put("heartbeat", "S1"), "HEARTBEATS")
        await check_identity(nc, db, closely=False)
        await request_api(nc, f"STREAM.DELETE.{stream}")
        found = await read_status(nc, db)
    assert {one.name for one in found.streams if one.gone} == {stream}
    assert {one.name for one in found.streams if not one.gone} == {"SESSIONS", "HEARTBEATS", "JOBS"} - {
        stream
    }
    (changed,) = found.changed
    assert changed.startswith(f"stream {stream} is gone; ")
    lags = {one.name: set(one.lag_events) for one in found.followers}
    assert lags["sessions"] == {"SESSIONS", "HEARTBEATS"} - {stream}
    assert lags["jobs"] == {"JOBS"} - {stream}
    for command in ("status", "reactors", "projections"):
        code, text = await told(processes, settings, command)
        assert code == 0, text
        assert "FOLDLINE_NATS_URL" not in text
    code, text = await told(processes, settings, "status", "--json")
    assert code == 0
    streams: list[Any] = json.loads(text)["streams"]
    assert [one["name"] for one in streams if one["gone"]] == [stream]


async def test_a_stream_that_is_gone_blames_no_address(nc: Client) -> None:
    with pytest.raises(StreamGone) as gone:
        await stream_info(nc, "NOSUCH")
    assert str(gone.value) == "stream NOSUCH: is gone"
    away = StreamUnavailable("SESSIONS", "JetStream does not answer")
    assert str(away).endswith("(see FOLDLINE_NATS_URL)")


@pytest.mark.parametrize("command", ["status", "reactors", "projections", "rejected"])
@pytest.mark.usefixtures("running_engine")
async def test_a_reader_that_has_read_enough_is_no_failure(settings: Settings, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    names = {
        "FOLDLINE_NATS_URL": settings.nats_url,
        "FOLDLINE_NATS_MONITOR_URL": settings.nats_monitor_url,
        "FOLDLINE_DATABASE_URL": settings.database_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "foldline", command),
        env=os.environ | {name: value for name, value in names.items() if value},
        cwd=ROOT,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")
