"""`/health`, `/ready` and `/metrics`."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Response
from pydantic_core import to_json

from api.operations.responses import Alive, Readiness
from api.reading.checks import Check, ask_all
from api.reading.scrape import PROMETHEUS, Refresh, metrics_response
from runtime.http.openapi import answer, operation


def health_router(checks: Mapping[str, Check], notes: Mapping[str, Check], refresh: Refresh) -> APIRouter:
    """Routes for probes and Prometheus. `checks` are by the name they are reported under.

    `notes` are asked like checks, and reported without making the process unready.
    """
    router = APIRouter(tags=["operations"])
    alive = to_json({"status": "healthy", "service": "foldline", "version": _version()})

    @router.head("/health", include_in_schema=False)
    @router.get("/health", **operation("read_health", Alive))
    async def health() -> Response:
        """This process answers; nothing else is asked."""
        return Response(alive, media_type="application/json")

    @router.head("/ready", include_in_schema=False)
    @router.get("/ready", **operation("read_readiness", Readiness, others={503: answer(Readiness)}))
    async def ready() -> Response:
        """Every dependency is asked: 200 if all are well, else 503."""
        found, noted = await asyncio.gather(ask_all(checks), ask_all(notes))
        well = not any(found.values())
        body: dict[str, Any] = {
            "status": "ready" if well else "not ready",
            "checks": {name: problem or "ok" for name, problem in found.items()},
        }
        if told := {name: note for name, note in noted.items() if note}:
            body["notes"] = told
        return Response(to_json(body), 200 if well else 503, media_type="application/json")

    @router.get("/metrics", **operation("read_metrics", media=PROMETHEUS))
    async def metrics() -> Response:
        """Everything this process counts, for Prometheus."""
        return await metrics_response(refresh)

    return router


def _version() -> str:
    try:
        return version("foldline")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "unknown"
