"""The application of a surface: FastAPI with the surface's errors and metrics, and no routes yet."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from runtime.http.envelopes import Envelope
from runtime.http.error_handlers import install_error_handlers
from runtime.http.request_metrics import RequestMetrics

_NO_TELEMETRY: Final = TelemetryConfig(tracing=False, metrics=False, logs=False)  # asked for each request


def surface_app(name: str, title: str, envelope: Envelope, *, lifespan: Any = None) -> FastAPI:
    """Create the application of a surface, which counts its requests under `name`."""
    # No redirects for trailing slashes: the documented paths, and 404 for any other.
    app = FastAPI(title=title, lifespan=lifespan, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    install_error_handlers(app, envelope)
    app.add_middleware(RequestMetrics, surface=name)
    return app
