"""`/metrics`: everything this process counts, for Prometheus."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from runtime.http.openapi import TEXT

PROMETHEUS: Final[Mapping[str, Mapping[str, Any]]] = {"text/plain": TEXT}
"""The answer as OpenAPI describes it."""

Refresh = Callable[[], Awaitable[None]]
"""Brings metrics that the database knows up to date; never raises, and takes a few seconds at most."""


async def metrics_response(refresh: Refresh) -> Response:
    """Answer with all metrics of the process, refreshed first.

    They are written in one turn of the loop: what is measured in the background is never shown by half.
    """
    await refresh()
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
