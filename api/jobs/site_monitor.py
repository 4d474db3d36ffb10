"""The monitor of a centre's sites: whether each answers, and how many of its events have not arrived yet."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nats.aio.client import Client

from line.jetstream import NO_LEADER, request_api
from runtime.http.errors import HttpProblem
from runtime.process.repeating import repeating
from runtime.settings.line import LineSettings
from schemas.errors import ErrorCode
from schemas.streams import Stream
from schemas.times import format_time

EVERY: Final = 2.0
_BOUND_S: Final = 1.5


@dataclass(slots=True)
class SiteStatus:
    """One site as it was last seen. Its own line is asked: a copy does not know that it is cut off."""

    id: str
    endpoint: str
    error: str | None = "not asked yet"
    lag_events: int | None = None  # stored there and not here; None while the site does not answer
    contact: datetime | None = None  # when it last answered
    whole_at: float | None = None  # when nothing was missing, by our clock

    def as_json(self) -> dict[str, Any]:
        """The status as HTTP answers show it."""
        shown: dict[str, Any] = {
            "status": "degraded" if self.error else "ok",
            "endpoint": self.endpoint,
            "lag_events": self.lag_events,
            "lag_s": self._lag_seconds(),
            "last_contact": format_time(self.contact) if self.contact else None,
        }
        return shown | ({"error": self.error} if self.error else {})

    def _lag_seconds(self) -> float | None:
        if self.lag_events == 0 and not self.error:
            return 0.0
        return None if self.whole_at is None else round(time.monotonic() - self.whole_at, 1)


class SiteMonitor:
    """Asks every site again and again, each by itself: one that is away delays no other and no request."""

    def __init__(self, nc: Client, settings: LineSettings) -> None:
        self._nc = nc
        self._copies: dict[str, Stream] = {}
        self._statuses: dict[str, SiteStatus] = {}
        for site, stream in zip(settings.endpoints, settings.streams, strict=True):
            self._copies[site] = stream
            self._statuses[site] = SiteStatus(site, settings.endpoints[site])

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Ask every site once, then again and again for the length of the block."""
        await self.ask()
        async with repeating(self.ask, every=EVERY, first=EVERY):
            yield

    async def ask(self) -> None:
        """Ask every site once."""
        await asyncio.gather(*map(self._ask, self.all()))

    def all(self) -> Collection[SiteStatus]:
        """The status of every site, in the order of the settings."""
        return self._statuses.values()

    def named(self, site: str | None) -> SiteStatus:
        """The status of the site a request names. Raises HttpProblem: 422 for none, 404 for an unknown."""
        known = ", ".join(self._statuses)
        if site is None:
            raise HttpProblem(ErrorCode.INVALID_PARAMETER, f"site is required: known are {known}")
        if site not in self._statuses:
            raise HttpProblem(ErrorCode.SITE_NOT_FOUND, f"no site {site[:100]!r}: known are {known}")
        return self._statuses[site]

    async def _ask(self, site: SiteStatus) -> None:
        copy = self._copies[site.id]
        origin = copy.origin[1] if copy.origin else copy.name
        theirs, ours = await asyncio.gather(
            request_api(self._nc, f"STREAM.INFO.{origin}", timeout=_BOUND_S, domain=site.id),
            request_api(self._nc, f"STREAM.INFO.{copy.name}", timeout=_BOUND_S),
        )
        if error := ours.get("error"):
            site.error = f"the centre's copy: {error.get('description', error)}"
            site.lag_events = None
        elif error := theirs.get("error"):
            away = error.get("code") == NO_LEADER
            site.error = "Connection timeout" if away else str(error.get("description", error))
            site.lag_events = None
        else:
            site.error = None
            site.contact = datetime.now(UTC)
            site.lag_events = max(0, theirs["state"]["last_seq"] - ours["state"]["last_seq"])
            if not site.lag_events:
                site.whole_at = time.monotonic()
