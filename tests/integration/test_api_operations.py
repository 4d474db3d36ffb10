"""GET /v1/rejected, /health, /ready, /metrics, and what routes answer when PostgreSQL is away."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from foldline.embedded.postgres import PostgresServer
from projections.install import install
from tests.integration.api_fixtures import (
    PARTITIONS,
    FoldedLine,
    api_client,
    folded_line,
    hold_leases,
    postgres,
)

__all__ = ["postgres"]

READS = ["/api/sessions/S1", "/api/sessions/S1/history", "/api/data/sessions", "/api/data/sessions?limit=1"]
READS += ["/api/timeseries?metric=m", "/v1/rejected"]


@pytest.fixture
async def line(postgres: PostgresServer) -> AsyncIterator[FoldedLine]:
    async with folded_line(postgres) as folded:
        yield folded


@pytest.fixture
async def client(postgres: PostgresServer, line: FoldedLine) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(postgres, pool_size=2) as opened:
        yield opened


async def test_rejected(line: FoldedLine, client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/rejected")).json() == {
        "items": [],
        "total": 0,
        "counts": {},
        "next_cursor": None,
    }
    for sequence in range(5):
        await line.reject(sequence, "invalid_json" if sequence % 2 else "too_deep")
    await line.reject(9, "too_deep", stream="HEARTBEATS")
    first = (await client.get("/v1/rejected?limit=4")).json()
    assert first["items"][1] == {
        "projection": "sessions",
        "stream": "SESSIONS",
        "sequence": 4,
        "partition": first["items"][1]["partition"],
        "subject": "ev.local.session.S1.state",
        "reason": "too_deep",
        "details": "why",
        "stored_at": "2026-01-31T12:00:04.000000Z",
        "dismissed": None,
    }
    assert (first["total"], first["counts"]) == (6, {"too_deep": 4, "invalid_json": 2})
    second = (await client.get(f"/v1/rejected?limit=4&cursor={first['next_cursor']}")).json()
    assert [item["sequence"] for item in first["items"] + second["items"]] == [9, 4, 3, 2, 1, 0]
    assert (second["next_cursor"], second["total"]) == (None, 6)
    for query, sequences in {
        "reason=invalid_json": [3, 1],
        "stream=HEARTBEATS": [9],
        "projection=sessions&reason=nothing": [],
    }.items():
        found = (await client.get(f"/v1/rejected?{query}")).json()
        assert [item["sequence"] for item in found["items"]] == sequences


@pytest.mark.parametrize(
    "query", ["projection=nothing", "stream=x", "reason=%00", "limit=0", "cursor=x", "a=b"]
)
async def test_bad_parameters(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/v1/rejected?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.json()["details"]


async def test_health_and_metrics(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()
    assert (health["status"], health["service"]) == ("healthy", "foldline")
    assert health["version"]
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "foldline_" in metrics.text


async def test_ready_when_every_partition_is_held(line: FoldedLine, client: httpx.AsyncClient) -> None:
    response = await client.get("/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "checks": dict.fromkeys(
            ("projection sessions", "projection jobs"), "0 of 16 partitions have a consumer"
        ),
    }
    await hold_leases(line.conn)
    response = await client.get("/ready")
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    await line.conn.execute("update foldline.lease set until = '-infinity' where part = 3")
    assert "15 of 16" in (await client.get("/ready")).text


@pytest.mark.parametrize("gone", ["sessions", "foldline"])
async def test_read_model_not_set_up(line: FoldedLine, client: httpx.AsyncClient, gone: str) -> None:
    await line.conn.execute(f"drop schema {gone} cascade".encode())
    for path in READS:
        response = await client.get(path)
        assert response.status_code == 503, path
        assert "not set up" in response.json()["details"]
        assert response.headers["retry-after"]


@pytest.mark.parametrize("retyped", [False, True])
async def test_reads_follow_a_swapped_schema(
    line: FoldedLine, client: httpx.AsyncClient, retyped: bool
) -> None:
    await line.created("S1")
    for _ in range(8):
        assert (await client.get("/api/sessions/S1")).status_code == 200
    await line.conn.execute("alter schema sessions rename to replaced")
    await line.conn.execute("drop schema if exists replaced cascade; delete from foldline.generation")
    await install(line.conn, line.projection, PARTITIONS)
    if retyped:
        await line.conn.execute("alter table sessions.session alter column events type numeric")
    for path in ("/api/sessions/S1", "/api/sessions/S1/events", "/api/sessions/S1/history"):
        assert (await client.get(path)).status_code == 404
    await line.created("S1")
    assert (await client.get("/api/sessions/S1")).status_code == 200


async def test_lost_connections_are_replaced(line: FoldedLine, client: httpx.AsyncClient) -> None:
    await line.created("S1")
    for path in READS:
        await line.conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test-api'"
        )
        assert (await client.get(path)).status_code == 200, path


async def test_postgres_away_and_back(postgres: PostgresServer) -> None:
    async with folded_line(postgres) as line:
        await line.created("S1")
        await hold_leases(line.conn)
    async with api_client(postgres, pool_size=2) as client:
        assert (await client.get("/ready")).status_code == 200
        await asyncio.to_thread(postgres.stop)
        try:
            answers = await asyncio.gather(*(client.get(path) for path in [*READS, "/ready", "/health"]))
        finally:
            await asyncio.to_thread(postgres.start, 60)
        *reads, ready, health = answers
        for response in reads:
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert "PostgreSQL" in response.json()["details"]
        assert ready.status_code == 503
        assert health.status_code == 200
        # Each try waits for the pool, which connects again when it is asked.
        deadline = time.monotonic() + 30
        while (response := await client.get("/api/sessions/S1")).status_code != 200:
            assert response.status_code == 503, response.text
            assert time.monotonic() < deadline, response.text
