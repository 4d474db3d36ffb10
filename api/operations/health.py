"""`/health`, `/ready` and `/metrics`."""

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.operations.responses import Alive
from api.reading.params import Query, read_query
from api.reading.scrape import PROMETHEUS, Refresh, metrics_response
from runtime.http.openapi import answer, operation
from runtime.http.ready import ReadyDocument, ready_response
from runtime.readiness import Readiness


class ReadyQuery(Query):
    """What to be ready for."""

    wanted: str | None = Field(
        None, alias="for", description="`reads`, `writes`, or both with a comma between."
    )


def health_router(readiness: Readiness, refresh: Refresh) -> APIRouter:
    """Routes for probes and Prometheus."""
    router = APIRouter(tags=["operations"])
    alive = to_json({"status": "healthy", "service": "foldline", "version": _version()})

    @router.head("/health", include_in_schema=False)
    @router.get("/health", **operation("read_health", Alive))
    async def health() -> Response:
        """This process answers; nothing else is asked."""
        return Response(alive, media_type="application/json")

    @router.head("/ready", include_in_schema=False)
    @router.get(
        "/ready",
        **operation(
            "read_readiness",
            ReadyDocument,
            query=ReadyQuery,
            errors=[400],
            others={503: answer(ReadyDocument)},
        ),
    )
    async def ready(request: Request) -> Response:
        """Every dependency is asked: 200 while reads or writes work; with `for` all of that has to work."""
        return await ready_response(readiness, read_query(ReadyQuery, request).wanted)

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
