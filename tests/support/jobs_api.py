"""The jobs surface in the test's process, on a real line with a running engine."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from foldline.settings import Settings
from foldline.surfaces import JOBS
from tests.support.engine import engine
from tests.support.served_surface import served_surface
from tests.support.waiting import wait_until


class JobsApi:
    """A client of the jobs surface that checks every answer."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.position = ""

    async def send(self, *events: dict[str, Any]) -> None:
        """Send one batch and wait until it can be read."""
        answer = await self.http.post(
            "/v1/ingest/events:batch", json=list(events), headers={"Foldline-Wait": "20000"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] == len(events), answer.text
        assert "Foldline-Projected" not in answer.headers

    async def jobs(self, **query: Any) -> list[dict[str, Any]]:
        """Return the jobs of a list."""
        return await self.items("/v1/jobs", **query)

    async def subjobs(self, **query: Any) -> list[dict[str, Any]]:
        """Return the subjobs of a list."""
        return await self.items("/v1/subjobs", **query)

    async def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return the items of any list."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        assert answer.json()["count"] == len(found)
        return found

    async def job(self, job_id: str, **query: Any) -> dict[str, Any]:
        """Return one job."""
        answer = await self.http.get(f"/v1/jobs/{job_id}", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
async def jobs(settings: Settings) -> AsyncIterator[JobsApi]:
    """The jobs surface with a running engine, on an empty line."""
    async with engine(settings), served_surface(settings, JOBS) as client:

        async def ready() -> bool:
            return (await client.get("/v1/healthz")).status_code == 200

        await wait_until(ready)
        yield JobsApi(client)
