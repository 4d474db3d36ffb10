"""The application of a surface: FastAPI with the surface's errors and metrics, and no routes yet."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from runtime.http.errors import JOBS, Envelope, install_error_handlers
from runtime.http.request_metrics import RequestMetrics

_NO_TELEMETRY: Final = TelemetryConfig(tracing=False, metrics=False, logs=False)  # asked for each request


def surface_app(title: str, envelope: Envelope, *, lifespan: Any = None) -> FastAPI:
    """Create the application of a surface; jobs surfaces count their requests."""
    # No redirects for trailing slashes: the documented paths, and 404 for any other.
    app = FastAPI(title=title, lifespan=lifespan, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    install_error_handlers(app, envelope)
    if envelope is JOBS:
        app.add_middleware(RequestMetrics)
    return app
