"""`/v1/healthz` and `/metrics` of the jobs surfaces."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from api.reading.scrape import PROMETHEUS, Refresh, metrics_response
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.openapi import answer, operation
from runtime.http.ready import checks_body
from runtime.readiness import Readiness

Particulars = Callable[[Mapping[str, str]], Mapping[str, Any]]
"""Answers what one surface's health shows beside the common part, given what is wrong by check."""


def job_health_router(
    service: str, readiness: Readiness, refresh: Refresh, particulars: Particulars, model: Any
) -> APIRouter:
    """Routes for probes and Prometheus. `model` describes the health with its particulars."""
    router = APIRouter(tags=["operations"], route_class=DirectRoute)

    @router.head("/v1/healthz", include_in_schema=False)
    @router.get("/v1/healthz", **operation("read_health", model, others={503: answer(model)}))
    async def healthz(request: Request) -> Response:
        """Every dependency is asked: `ok` if all are well, else `degraded` with the reasons, and 503."""
        report = await readiness.ask()
        wrong = {name: trouble.problem for name, trouble in report.troubles.items()}
        body = {
            "status": "degraded" if wrong else "ok",
            "service": service,
            "version": version("foldline"),
            **particulars(wrong),
            **checks_body(report),
        }
        return Response(to_json(body), 503 if wrong else 200, media_type="application/json")

    @router.get("/metrics", **operation("read_metrics", media=PROMETHEUS))
    async def metrics(request: Request) -> Response:
        """Everything this process counts, for Prometheus."""
        return await metrics_response(refresh)

    return router


def pool_state(wrong: Mapping[str, str]) -> dict[str, str]:
    """`database_pool`, as a site's health shows it: `disconnected` when the check `database` failed."""
    return {"database_pool": "disconnected" if "database" in wrong else "connected"}
