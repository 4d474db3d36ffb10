"""`/v1/healthz` and `/metrics` of the jobs surfaces."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from api.operations.health import Check, Refresh, ask_all
from api.reading.reader import Reader


def job_health_router(checks: Mapping[str, Check], service: str, refresh: Refresh) -> APIRouter:
    """`status` is `ok` when everything it needs answered, else `degraded` with the reasons, and 503."""
    router = APIRouter(tags=["operations"])

    @router.api_route("/v1/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        """NATS and PostgreSQL are asked, not only whether there are connections."""
        found = await ask_all(checks)
        wrong = {name: problem for name, problem in found.items() if problem}
        body: dict[str, Any] = {
            "status": "degraded" if wrong else "ok",
            "service": service,
            "version": version("foldline"),
            "database_pool": "disconnected" if "database" in wrong else "connected",
            "checks": {name: problem or "ok" for name, problem in found.items()},
        }
        return Response(to_json(body), 503 if wrong else 200, media_type="application/json")

    @router.get("/metrics")
    async def metrics() -> Response:
        """What this process counts, for Prometheus."""
        await refresh()
        text = await asyncio.to_thread(generate_latest)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def database_check(reader: Reader) -> Check:
    """PostgreSQL answers."""

    async def check() -> str | None:
        await reader.read(lambda conn: conn.execute("select 1"))
        return None

    return check
