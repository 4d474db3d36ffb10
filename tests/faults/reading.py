"""Somebody who reads the API all the time and counts what is answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.http import http_client
from tests.support.waiting import wait_until

_PAUSE_S = 0.05  # between two reads: a load, not a condition


@dataclass
class Reads:
    """The answers: how many, how long the longest took, and each that was not a 200."""

    answered: int = 0
    slowest: float = 0.0
    failed: list[str] = field(default_factory=list)


@asynccontextmanager
async def reading(url: str, reads: Reads) -> AsyncIterator[None]:
    """Read `url`, once it is there, until the block is left."""
    async with http_client(timeout=30) as http:

        async def there() -> bool:
            return (await http.get(url)).status_code == 200

        await wait_until(there, 60, what=url)
        task = asyncio.create_task(_read(http, url, reads))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _read(http: httpx.AsyncClient, url: str, reads: Reads) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            answer = await http.get(url)
        except httpx.HTTPError as exc:
            reads.failed.append(f"{type(exc).__name__} {exc}")
        else:
            reads.answered += 1
            reads.slowest = max(reads.slowest, clock() - began)
            if answer.status_code != 200:
                reads.failed.append(f"{answer.status_code} {answer.text[:200]}")
        await asyncio.sleep(_PAUSE_S)
