"""What only a centre of several sites serves: the sites, and its health."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from api.jobs.sites import Sites
from api.operations.health import Check, Refresh, ask_all
from runtime.compat.fastapi_routes import DirectRoute


def central_router(sites: Sites, checks: Mapping[str, Check], refresh: Refresh) -> APIRouter:
    """`/v1/sites`, `/v1/healthz` and `/metrics`."""
    router = APIRouter(tags=["sites"], route_class=DirectRoute)

    @router.get("/v1/sites")
    async def listed(request: Request) -> Response:
        """All sites, each with its state and how much of it has not arrived yet."""
        found = [{"id": one.id, **one.as_json()} for one in sites.known.values()]
        return _json({"sites": found, "count": len(found)})

    @router.api_route("/v1/healthz", methods=["GET", "HEAD"])
    async def healthz(request: Request) -> Response:
        """`status` is about the centre itself: it serves what has arrived of a site that is away."""
        found = await ask_all(checks)
        wrong = {name: problem for name, problem in found.items() if problem}
        body = {
            "status": "degraded" if wrong else "ok",
            "service": "central-api",
            "version": version("foldline"),
            "sites": {one.id: one.as_json() for one in sites.known.values()},
            "checks": {name: problem or "ok" for name, problem in found.items()},
        }
        return _json(body, 503 if wrong else 200)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """What this process counts, for Prometheus."""
        await refresh()
        text = await asyncio.to_thread(generate_latest)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _json(body: object, status: int = 200) -> Response:
    return Response(to_json(body), status, media_type="application/json")
