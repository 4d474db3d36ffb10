"""A surface of a site in the test's process: wired and started as `foldline api` does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from foldline.api_process import ApiProcess
from foldline.surface_apps import create_app
from foldline.surfaces import API, Surface
from runtime.settings.processes import ApiSettings


@asynccontextmanager
async def served_surface(
    settings: ApiSettings, surface: Surface = API, *, raise_app_exceptions: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve one surface of a site, and open a client of it."""
    process = ApiProcess(settings)
    app = create_app(surface, process)
    async with process.bootstrap.started():
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=raise_app_exceptions)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
            yield client
