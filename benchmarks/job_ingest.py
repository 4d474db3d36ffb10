"""Batches of job events over HTTP, measured from the first request until the last event can be read."""

import asyncio
import json
import os
from typing import Any

from benchmarks import job_events
from benchmarks.http_connection import HttpConnection
from benchmarks.meter import Meter
from benchmarks.status_line import wait_until
from runtime.database.connections import Connection, connect
from runtime.settings.processes import UpSettings

_PATH = "/v1/ingest/events:batch"
_CONNECTIONS = 4
_BATCH = 100
_WAVE = 8  # batches that hold all events of the last jobs
_POLL_S = 0.02
_TIMEOUT_S = 120.0
_FOLDED = b"select count(*) from jobs.event"
_FOLDED_OF = b"select count(*) from jobs.event where site = 'local' and id = any(%s)"


async def ingest_jobs(config: UpSettings, *, port: int, name: str, count: int) -> dict[str, Any]:
    """Send `count` events. Returns `accepted`, events a second answered, and `rate`, those that can be read.

    Each connection sends jobs of its own.
    """
    share = count // _CONNECTIONS
    bodies = [job_events.requests(f"{name}{number}", share, _BATCH) for number in range(_CONNECTIONS)]
    clients = [await HttpConnection.open(port) for _ in range(_CONNECTIONS)]
    async with await connect(config, name="bench-ingest") as db:
        there = await _folded(db)
        sent = share * _CONNECTIONS
        meter = Meter(os.getppid())
        await asyncio.gather(*(_send(one, some) for one, some in zip(clients, bodies, strict=True)))
        accepted = meter.read().seconds

        last = dict(_last_job(some) for some in bodies)

        async def nearly() -> bool:
            row = await (await db.execute(_FOLDED_OF, [list(last)])).fetchone()
            return row is not None and row[0] >= sum(last.values())

        async def readable() -> bool:
            return await _folded(db) >= there + sent

        # Counting all events takes a whole processor: only once the last job is there.
        await wait_until(nearly, every=_POLL_S, timeout=_TIMEOUT_S)
        await wait_until(readable, every=_POLL_S, timeout=_TIMEOUT_S)
        spent = meter.read()
    for one in clients:
        one.close()
    return {"accepted": sent / accepted, **spent.over(sent)}


async def _folded(db: Connection) -> int:
    row = await (await db.execute(_FOLDED)).fetchone()
    return int(row[0]) if row else 0


async def _send(client: HttpConnection, bodies: list[bytes]) -> None:
    """Send one batch after another, each once the one before is accepted whole."""
    for body in bodies:
        status, told = await client.post(_PATH, body)
        if status != 200 or not json.loads(told)["ok"]:
            raise RuntimeError(f"a batch was not accepted: {status} {told[:500].decode()}")


def _last_job(bodies: list[bytes]) -> tuple[str, int]:
    """The job of the last event, and how many events of the last batches are of that job or its subjobs."""
    told = [event["entity"] for body in bodies[-_WAVE:] for event in json.loads(body)]
    jobs = [entity.get("parent_id", entity["id"]) for entity in told]
    return jobs[-1], jobs.count(jobs[-1])
