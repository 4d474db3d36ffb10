"""The sessions surface in the test's process, on a real line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from foldline.api_process import create_apps
from runtime.settings import Settings


@asynccontextmanager
async def sessions_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the whole sessions surface, operations included, and open a client of it."""
    app = create_apps(settings).sessions
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
            yield client


@pytest.fixture
async def surface(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the sessions surface on an empty line; nothing folds."""
    async with sessions_client(settings) as client:
        yield client
