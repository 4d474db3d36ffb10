"""`/health`, `/ready` and `/metrics` of the sessions surface."""

import httpx

from tests.support.read_api import FoldedLine, hold_leases


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
