"""`/health`, `/ready` and `/metrics` of the sessions surface."""

from datetime import UTC, datetime
from typing import Any

import httpx

from schemas.times import parse_time
from tests.support.read_api import FoldedLine, hold_leases
from tests.support.waiting import wait_until


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
    body = response.json()
    owners = ("projection sessions", "projection jobs")
    since = body.pop("since")
    assert since.keys() == set(owners)
    assert all(parse_time(one, "since") <= datetime.now(UTC) for one in since.values())
    assert body == {
        "status": "not ready",
        "reads": False,
        "checks": {"database": "ok", **dict.fromkeys(owners, "0 of 16 partitions have a consumer")},
    }
    await hold_leases(folded_line.conn)

    async def becomes(status: int) -> dict[str, Any] | None:
        answer = await reads.get("/ready")
        return answer.json() if answer.status_code == status else None

    assert (await wait_until(lambda: becomes(200)))["status"] == "ready"
    await folded_line.conn.execute("update foldline.lease set until = '-infinity' where part = 3")
    found = await wait_until(lambda: becomes(503))
    assert found["checks"]["projection sessions"] == "15 of 16 partitions have a consumer"


async def test_what_to_be_ready_for_is_checked(reads: httpx.AsyncClient) -> None:
    """This process has no line, so it is ready for reads at most."""
    for wanted in ("writes", "reads,writes", "", "x"):
        answer = await reads.get("/ready", params={"for": wanted})
        assert answer.status_code == 400
        assert answer.json()["error"] == "Invalid parameter"
        assert answer.json()["details"].endswith("is not something to be ready for: reads")
    assert (await reads.get("/ready?for=reads")).status_code == 503
    assert (await reads.head("/ready?for=reads")).status_code == 503
