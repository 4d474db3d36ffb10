"""The sites of a centre: whether each answers, and how much of it has not arrived yet."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.client import Client

from line.jetstream import NO_LEADER, request_api
from runtime.http.errors import HttpProblem
from runtime.process.repeating import repeating
from runtime.settings import Settings
from schemas.streams import Stream
from schemas.times import format_time

EVERY: Final = 2.0
_BOUND_S: Final = 1.5


@dataclass(slots=True)
class Standing:
    """One site as it was last seen. Its own line is asked: a copy does not know that it is cut off."""

    id: str
    endpoint: str
    error: str | None = "not asked yet"
    lag_events: int | None = None  # stored there and not here; None while the site does not answer
    contact: datetime | None = None  # when it last answered
    whole_at: float | None = None  # when nothing was missing, by our clock

    def as_json(self) -> dict[str, Any]:
        """As answers show it."""
        told: dict[str, Any] = {
            "status": "degraded" if self.error else "ok",
            "endpoint": self.endpoint,
            "lag_events": self.lag_events,
            "lag_s": self._lag_seconds(),
            "last_contact": format_time(self.contact) if self.contact else None,
        }
        return told | ({"error": self.error} if self.error else {})

    def _lag_seconds(self) -> float | None:
        if self.lag_events == 0 and not self.error:
            return 0.0
        return None if self.whole_at is None else round(time.monotonic() - self.whole_at, 1)


class Sites:
    """Asks every site again and again, each by itself: one that is away delays no other and no request."""

    def __init__(self, nc: Client, settings: Settings) -> None:
        self._nc = nc
        self._copies: dict[str, Stream] = {}
        self.known: dict[str, Standing] = {}
        for site, stream in zip(settings.endpoints, settings.streams, strict=True):
            self._copies[site] = stream
            self.known[site] = Standing(site, settings.endpoints[site])

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Ask for the length of the block; once before it."""
        await self.ask()
        async with repeating(self.ask, every=EVERY, first=EVERY):
            yield

    async def ask(self) -> None:
        """One round."""
        await asyncio.gather(*(self._ask(standing) for standing in self.known.values()))

    def one(self, site: str | None) -> Standing:
        """The site a request names. Raises HttpProblem: 422 without one, 404 for one that is not ours."""
        if site is None:
            raise HttpProblem(
                422, "Invalid parameter", f"site is required: known are {', '.join(self.known)}"
            )
        if site not in self.known:
            raise HttpProblem(
                404, "Site not found", f"no site {site[:100]!r}: known are {', '.join(self.known)}"
            )
        return self.known[site]

    async def _ask(self, standing: Standing) -> None:
        copy = self._copies[standing.id]
        origin = copy.origin[1] if copy.origin else copy.name
        theirs, ours = await asyncio.gather(
            request_api(self._nc, f"STREAM.INFO.{origin}", timeout=_BOUND_S, domain=standing.id),
            request_api(self._nc, f"STREAM.INFO.{copy.name}", timeout=_BOUND_S),
        )
        if error := ours.get("error"):
            standing.error, standing.lag_events = (
                f"the centre's copy: {error.get('description', error)}",
                None,
            )
            return
        if error := theirs.get("error"):
            away = "Connection timeout" if error.get("code") == NO_LEADER else error.get("description", error)
            standing.error, standing.lag_events = str(away), None
            return
        standing.error = None
        standing.contact = datetime.now(UTC)
        standing.lag_events = max(0, theirs["state"]["last_seq"] - ours["state"]["last_seq"])
        if not standing.lag_events:
            standing.whole_at = time.monotonic()
