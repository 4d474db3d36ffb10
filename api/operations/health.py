"""`/health` and `/metrics`."""

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response
from pydantic_core import to_json

from api.operations.responses import Alive
from api.reading.scrape import PROMETHEUS, Refresh, metrics_response
from runtime.http.openapi import operation


def health_router(refresh: Refresh) -> APIRouter:
    """Routes for probes and Prometheus."""
    router = APIRouter(tags=["operations"])
    alive = to_json({"status": "healthy", "service": "foldline", "version": _version()})

    @router.head("/health", include_in_schema=False)
    @router.get("/health", **operation("read_health", Alive))
    async def health() -> Response:
        """This process answers; nothing else is asked."""
        return Response(alive, media_type="application/json")

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
