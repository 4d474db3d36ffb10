"""Batches of job events over HTTP, from the first request until a query would find the last event."""

import asyncio
import json
import time
from typing import Any

from benchmarks import job_events
from benchmarks.client import Http
from benchmarks.say import until
from runtime.postgres import Connection, connect
from runtime.settings import Settings

_PATH = "/v1/ingest/events:batch"
_CONNECTIONS = 4
_BATCH = 100
_LOOK_S = 0.02
_PATIENCE = 120.0
_FOLDED = b"select count(*) from jobs.event"


async def ingested(config: Settings, *, port: int, name: str, count: int) -> dict[str, Any]:
    """Events a second that were accepted, and that could be read; each connection has jobs of its own."""
    share = count // _CONNECTIONS
    bodies = [job_events.requests(f"{name}{number}", share, _BATCH) for number in range(_CONNECTIONS)]
    clients = [await Http.open(port) for _ in range(_CONNECTIONS)]
    async with await connect(config, name="bench-ingest") as db:
        there = await _folded(db)
        sent = share * _CONNECTIONS
        began = time.perf_counter()
        await asyncio.gather(*(_send(one, some) for one, some in zip(clients, bodies, strict=True)))
        accepted = time.perf_counter() - began

        async def readable() -> bool:
            return await _folded(db) >= there + sent

        await until(readable, every=_LOOK_S, most=_PATIENCE)
        seconds = time.perf_counter() - began
    for one in clients:
        one.close()
    return {"accepted": sent / accepted, "readable": sent / seconds}


async def _folded(db: Connection) -> int:
    row = await (await db.execute(_FOLDED)).fetchone()
    return int(row[0]) if row else 0


async def _send(client: Http, bodies: list[bytes]) -> None:
    """Each is accepted whole before the next one is sent."""
    for body in bodies:
        status, told = await client.post(_PATH, body)
        if status != 200 or not json.loads(told)["ok"]:
            raise RuntimeError(f"a batch was not accepted: {status} {told[:500].decode()}")
