"""Reads when the read model is missing or swapped, and when PostgreSQL loses connections or is away."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from foldline.embedded.postgres import PostgresServer
from projections.install import install
from tests.support.engine import install_read_models
from tests.support.read_api import FoldedLine, folding_into, hold_leases, read_client
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

READS = ["/api/sessions/S1", "/api/sessions/S1/history", "/api/data/sessions", "/api/data/sessions?limit=1"]
READS += ["/api/timeseries?metric=m", "/v1/rejected"]


@pytest.mark.parametrize("gone", ["sessions", "foldline"])
async def test_read_model_not_set_up(folded_line: FoldedLine, reads: httpx.AsyncClient, gone: str) -> None:
    await folded_line.conn.execute(f"drop schema {gone} cascade".encode())
    for path in READS:
        response = await reads.get(path)
        assert response.status_code == 503, path
        assert "not set up" in response.json()["details"]
        assert response.headers["retry-after"]


@pytest.mark.parametrize("retyped", [False, True])
async def test_reads_follow_a_swapped_schema(
    folded_line: FoldedLine, reads: httpx.AsyncClient, retyped: bool
) -> None:
    await folded_line.created("S1")
    for _ in range(8):
        assert (await reads.get("/api/sessions/S1")).status_code == 200
    await folded_line.conn.execute("alter schema sessions rename to replaced")
    await folded_line.conn.execute("drop schema if exists replaced cascade; delete from foldline.generation")
    await install(folded_line.conn, folded_line.projection, PARTITIONS)
    if retyped:
        await folded_line.conn.execute("alter table sessions.session alter column events type numeric")
    for path in ("/api/sessions/S1", "/api/sessions/S1/events", "/api/sessions/S1/history"):
        assert (await reads.get(path)).status_code == 404
    await folded_line.created("S1")
    assert (await reads.get("/api/sessions/S1")).status_code == 200


async def test_lost_connections_are_replaced(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.created("S1")
    for path in READS:
        await folded_line.conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test-api'"
        )
        assert (await reads.get(path)).status_code == 200, path


async def test_postgres_away_and_back(own_postgres: PostgresServer) -> None:
    await asyncio.to_thread(install_read_models, own_postgres.dsn)
    async with folding_into(own_postgres.dsn) as line:
        await line.created("S1")
        await hold_leases(line.conn)
    async with read_client(own_postgres.dsn, pool_size=2) as reads:
        assert (await reads.get("/ready")).status_code == 200
        await asyncio.to_thread(own_postgres.stop)
        try:
            answers = await asyncio.gather(*(reads.get(path) for path in [*READS, "/health"]))

            async def unready() -> dict[str, Any] | None:
                answer = await reads.get("/ready")
                return answer.json() if answer.status_code == 503 else None

            checks = (await wait_until(unready))["checks"]
        finally:
            await asyncio.to_thread(own_postgres.start, 60)
        *refused, health = answers
        for response in refused:
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert "PostgreSQL" in response.json()["details"]
        assert checks["database"] != "ok"
        assert health.status_code == 200
        # Each try waits for the pool, which connects again when it is asked.
        deadline = time.monotonic() + 30
        while (response := await reads.get("/api/sessions/S1")).status_code != 200:
            assert response.status_code == 503, response.text
            assert time.monotonic() < deadline, response.text
