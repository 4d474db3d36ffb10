"""The sessions surface in the test's process, on a real line."""

from collections.abc import AsyncIterator

import httpx
import pytest

from foldline.settings import Settings
from tests.support.served_surface import served_surface


@pytest.fixture
async def surface(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the sessions surface, operations included, on an empty line; nothing folds."""
    async with served_surface(settings) as client:
        yield client
