"""The surfaces of the processes that read: their applications, traced where an OTLP endpoint is set."""

from typing import Any

from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from runtime.http.envelopes import Envelope
from runtime.http.surface_app import surface_app
from runtime.process.telemetry import tracer_provider
from runtime.settings import Settings


def traced_surface(
    name: str, title: str, envelope: Envelope, settings: Settings, *, lifespan: Any = None
) -> FastAPI:
    """Create the application of a surface, without routes."""
    app = surface_app(name, title, envelope, lifespan=lifespan)
    if settings.otlp_endpoint:
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=tracer_provider(settings, "foldline-api"),
            excluded_urls="/health,/ready,/metrics,/v1/healthz",
        )
    return app
