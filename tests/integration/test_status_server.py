"""What a consumer answers on its metrics port, as the process it is."""

import asyncio
from typing import Any

import httpx

from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.embedded.postgres import PostgresServer
from tests.support.http import http_client
from tests.support.processes import Processes
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


async def test_a_consumer_says_what_works(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    port = pick_port("127.0.0.1")
    settings = line_settings(own_nats, own_postgres.dsn, metrics_port=port)
    consumer = processes.consumer(settings)
    await asyncio.to_thread(consumer.wait_for, "follows the line")
    async with http_client(f"http://127.0.0.1:{port}", timeout=20) as client:

        async def told(wanted: str, status: int) -> dict[str, Any] | None:
            try:
                answer = await client.get("/ready", params={"for": wanted})
            except httpx.TransportError:
                return None
            return answer.json() if answer.status_code == status else None

        body = await wait_until(lambda: told("reads,writes", 200))
        assert body == {
            "status": "ready",
            "reads": True,
            "writes": True,
            "checks": {"nats": "ok", "database": "ok", "event stream": "ok"},
        }
        assert (await client.get("/health")).json() == {"status": "healthy", "service": "consumer"}
        assert "foldline_partitions_held" in (await client.get("/metrics")).text
        assert (await client.get("/")).json() == {"error": "Not found", "details": "There is nothing at /"}
        await asyncio.to_thread(own_postgres.stop)
        body = await wait_until(lambda: told("reads", 503), 40)
        assert (body["status"], body["writes"], set(body["since"])) == ("degraded", True, {"database"})
        await asyncio.to_thread(own_nats.kill)
        body = await wait_until(lambda: told("writes", 503), 40)
        assert body["checks"]["event stream"] == "not connected to NATS"
        assert (await client.get("/health")).status_code == 200
        await asyncio.to_thread(own_nats.start)
        await asyncio.to_thread(own_postgres.start, 60)
        await wait_until(lambda: told("reads,writes", 200), 60)
    assert consumer.stop() == 0
