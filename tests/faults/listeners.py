"""Readers of the live stream of jobs that come back where they were, whoever ended the connection."""

import asyncio
import json
import random
from typing import Any

import httpx

from tests.support.http import http_client

LAST = "the-last-job"
"""Id of the job whose event ends the reading."""


class Listener:
    """One reader from the first event on. `patience`: seconds it stays at most, until it comes back."""

    def __init__(self, number: int, patience: float | None = None, kind: str | None = None) -> None:
        self.seen: list[int] = []
        self.connections = 0
        self._chance = random.Random(number)
        self._patience = patience
        self._kind = kind
        self._after = 0

    def wanted(self, event: dict[str, Any]) -> bool:
        """Return whether it asked for this event."""
        return self._kind in (None, event["event"]["kind"])

    async def listen(self, url: str) -> None:
        """Read until the event of the last job."""
        async with http_client(url, timeout=60) as http:
            while True:
                stay = self._patience and self._chance.uniform(0.1, 1) * self._patience
                try:
                    async with asyncio.timeout(stay):
                        if await self._connected(http):
                            return
                except TimeoutError:
                    continue
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)  # between two connections

    async def _connected(self, http: httpx.AsyncClient) -> bool:
        """Return whether it has seen the last one."""
        self.connections += 1
        query = {} if self._kind is None else {"kind": self._kind}
        headers = {"Last-Event-ID": str(self._after)}
        async with http.stream("GET", "/v1/stream", params=query, headers=headers) as answer:
            assert answer.status_code == 200
            sequence = 0
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                assert name != "event", line  # nothing is ever too old here
                if name == "id":
                    sequence = int(value)
                elif name == "data":
                    told = json.loads(value)
                    self._after = sequence
                    self.seen.append(told["payload"]["metrics"]["n"])
                    if told["job_id"] == LAST:
                        return True
        return False
