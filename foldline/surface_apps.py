"""The applications of a process: each surface with its routes, its errors, its metrics and its spans."""

from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any, Final, Protocol

from fastapi import APIRouter, FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from foldline.surfaces import Surface
from runtime.compat.fastapi_routes import add_routes
from runtime.http.surface_app import surface_app
from runtime.process.lifecycle import Lifecycle
from runtime.process.telemetry import tracer_provider
from runtime.settings.base import ProcessSettings

_UNTRACED: Final = "/health,/ready,/metrics,/v1/healthz"


class SurfaceProcess(Protocol):
    """A process that serves surfaces, wired and not connected."""

    @property
    def settings(self) -> ProcessSettings:
        """The settings of the process."""

    @property
    def bootstrap(self) -> Lifecycle:
        """Its start and its end, to which routers add what they need."""


def create_app(surface: Surface, process: SurfaceProcess) -> FastAPI:
    """Create the application of a surface. Requests are answered once the process has started."""
    app = surface_app(surface.name, surface.title, surface.envelope)
    if process.settings.otlp_endpoint:
        provider = tracer_provider(process.settings, f"foldline-{surface.process}")
        FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls=_UNTRACED)
    make: Callable[[Any], Sequence[APIRouter]] = resolve_name(surface.routers)
    add_routes(app, *make(process))
    return app
