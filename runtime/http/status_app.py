"""The application of a process that serves nothing else: `/health`, `/ready` and `/metrics`."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.types import ASGIApp

from runtime.compat.fastapi_routes import DirectRoute, add_routes
from runtime.http.envelopes import SESSIONS
from runtime.http.ready_route import ready_router
from runtime.http.surface_app import surface_app
from runtime.readiness import Readiness


def status_app(name: str, title: str, readiness: Readiness) -> ASGIApp:
    """Create the application; `name` is how metrics call it."""
    app = surface_app(name, title, SESSIONS)
    router = APIRouter(tags=["operations"], route_class=DirectRoute)
    alive = to_json({"status": "healthy", "service": name})

    async def health(request: Request) -> Response:
        """This process answers; nothing else is asked."""
        return Response(alive, media_type="application/json")

    async def metrics(request: Request) -> Response:
        """Everything this process counts, for Prometheus; written in a thread, beside the work."""
        text = await asyncio.to_thread(generate_latest)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    router.add_api_route("/health", health, methods=["GET", "HEAD"])
    router.add_api_route("/metrics", metrics, methods=["GET"])
    add_routes(app, router, ready_router(readiness))
    return app
