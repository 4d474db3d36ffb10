"""GET /v1/rejected, /health, /ready, /metrics, and what routes answer when PostgreSQL is away."""

import asyncio
import time

import httpx
import pytest

from foldline.embedded.postgres import PostgresServer
from projections.install import install
from tests.support.engine import install_read_models
from tests.support.read_api import FoldedLine, folding_into, hold_leases, read_client
from tests.support.settings import PARTITIONS

READS = ["/api/sessions/S1", "/api/sessions/S1/history", "/api/data/sessions", "/api/data/sessions?limit=1"]
READS += ["/api/timeseries?metric=m", "/v1/rejected"]


async def test_rejected(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    assert (await reads.get("/v1/rejected")).json() == {
        "items": [],
        "total": 0,
        "counts": {},
        "next_cursor": None,
    }
    for sequence in range(5):
        await folded_line.reject(sequence, "invalid_json" if sequence % 2 else "too_deep")
    await folded_line.reject(9, "too_deep", stream="HEARTBEATS")
    first = (await reads.get("/v1/rejected?limit=4")).json()
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
    second = (await reads.get(f"/v1/rejected?limit=4&cursor={first['next_cursor']}")).json()
    assert [item["sequence"] for item in first["items"] + second["items"]] == [9, 4, 3, 2, 1, 0]
    assert (second["next_cursor"], second["total"]) == (None, 6)
    for query, sequences in {
        "reason=invalid_json": [3, 1],
        "stream=HEARTBEATS": [9],
        "projection=sessions&reason=nothing": [],
    }.items():
        found = (await reads.get(f"/v1/rejected?{query}")).json()
        assert [item["sequence"] for item in found["items"]] == sequences


@pytest.mark.parametrize(
    "query", ["projection=nothing", "stream=x", "reason=%00", "limit=0", "cursor=x", "a=b"]
)
async def test_bad_parameters(reads: httpx.AsyncClient, query: str) -> None:
    response = await reads.get(f"/v1/rejected?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.json()["details"]


async def test_health_and_metrics(reads: httpx.AsyncClient) -> None:
    health = (await reads.get("/health")).json()
    assert (health["status"], health["service"]) == ("healthy", "foldline")
    assert health["version"]
    metrics = await reads.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "foldline_" in metrics.text


async def test_ready_when_every_partition_is_held(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    response = await reads.get("/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "checks": dict.fromkeys(
            ("projection sessions", "projection jobs"), "0 of 16 partitions have a consumer"
        ),
    }
    await hold_leases(folded_line.conn)
    response = await reads.get("/ready")
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    await folded_line.conn.execute("update foldline.lease set until = '-infinity' where part = 3")
    assert "15 of 16" in (await reads.get("/ready")).text


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
            answers = await asyncio.gather(*(reads.get(path) for path in [*READS, "/ready", "/health"]))
        finally:
            await asyncio.to_thread(own_postgres.start, 60)
        *refused, ready, health = answers
        for response in refused:
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert "PostgreSQL" in response.json()["details"]
        assert ready.status_code == 503
        assert health.status_code == 200
        # Each try waits for the pool, which connects again when it is asked.
        deadline = time.monotonic() + 30
        while (response := await reads.get("/api/sessions/S1")).status_code != 200:
            assert response.status_code == 503, response.text
            assert time.monotonic() < deadline, response.text
