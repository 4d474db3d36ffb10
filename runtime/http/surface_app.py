"""The application of a surface: FastAPI with the surface's errors, pages and metrics, and no routes yet."""

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from runtime.http.documentation import add_documentation
from runtime.http.envelopes import Envelope
from runtime.http.error_handlers import install_error_handlers
from runtime.http.request_metrics import RequestMetrics
from runtime.http.surface_document import surface_document

_NO_TELEMETRY: Final = TelemetryConfig(tracing=False, metrics=False, logs=False)  # asked for each request


class SurfaceApp(FastAPI):
    """FastAPI whose OpenAPI document has the errors of the surface's envelope."""

    def __init__(self, title: str, envelope: Envelope, *, lifespan: Any = None) -> None:
        super().__init__(
            title=title,
            version=version("foldline"),
            lifespan=lifespan,
            # The documented paths, and 404 for any other.
            redirect_slashes=False,
            telemetry=_NO_TELEMETRY,
            docs_url=None,
            redoc_url=None,
        )
        self._envelope = envelope
        install_error_handlers(self, envelope)
        add_documentation(self)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of all routes, made when it is first asked for."""
        if self.openapi_schema is None:
            self.openapi_schema = surface_document(self, self._envelope)
        return self.openapi_schema


def surface_app(name: str, title: str, envelope: Envelope, *, lifespan: Any = None) -> FastAPI:
    """Create the application of a surface, which counts its requests under `name`."""
    app = SurfaceApp(title, envelope, lifespan=lifespan)
    app.add_middleware(RequestMetrics, surface=name)
    return app
