"""Sends through the sessions API: one request for each fact, those of a session one after the other."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from foldline_client.items import CRASHED, CREATED, ENDED, EVENT, HEARTBEAT, METRIC, OWN_CLOCK, STATE, Item
from foldline_client.options import Options
from foldline_client.positions import POSITION, parse_positions
from foldline_client.transport import DELIVERED, Outcome, in_session_order, rejected, retry

_PATHS: Final = {
    STATE: "state",
    EVENT: "events",
    METRIC: "metrics",
    HEARTBEAT: "heartbeat",
    CRASHED: "crash",
    ENDED: "end",
}
RETRIED_STATUSES: Final = (408, 425, 429, 502, 503, 504)
MAX_SERVER_FAULTS: Final = 10
"""Answers 500 to one fact before it is given up, so that it does not hold up the rest."""


class HttpTransport:
    """Sends each fact with its key (`Idempotency-Key`), so that a retry has no second effect.

    Only the end of a session waits for the read model, so that a GET after it shows it; everything else is
    sent with `Foldline-Wait: 0`.
    """

    def __init__(self, url: str, options: Options) -> None:
        try:
            self._address = str(httpx.URL(url).copy_with(userinfo=b""))
        except httpx.InvalidURL as exc:
            raise ValueError(f"{url!r} is not an address: {exc}") from None
        self._url = url.rstrip("/")
        self._options = options
        self._client: httpx.AsyncClient | None = None

    @property
    def address(self) -> str:
        """The address of the API, without a user name and password."""
        return self._address

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Send facts of several sessions side by side, up to `parallel` requests at once."""
        return await in_session_order(items, self._send, self._options.parallel)

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send(self, item: Item) -> Outcome:
        try:
            response = await self._connected().post(_path(item), content=item.body, headers=_headers(item))
        except httpx.RequestError as exc:
            return retry(f"{type(exc).__name__}: {exc}")
        if response.is_success:
            _note_positions(item, response)
            return DELIVERED
        reason = f"HTTP {response.status_code}: {response.text[:200]}"
        if response.status_code in RETRIED_STATUSES:
            return retry(reason, retry_after(response))
        if response.status_code >= 500:
            item.server_faults += 1
            return retry(reason) if item.server_faults < MAX_SERVER_FAULTS else rejected(reason)
        return rejected(reason)

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(**client_options(self._url, self._options))
        return self._client


def client_options(url: str, options: Options) -> dict[str, Any]:
    """Return the arguments of an httpx client for this API: the user's own override our defaults."""
    return {
        "base_url": url,
        "timeout": options.request_timeout,
        "headers": {"User-Agent": "foldline-client", **options.headers},
        **options.http_options,
    }


def _path(item: Item) -> str:
    if item.fact == CREATED:
        return "/api/sessions"
    return f"/api/sessions/{item.ref.id}/{_PATHS[item.fact]}"


def _headers(item: Item) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": item.key, **OWN_CLOCK}
    if item.fact not in (ENDED, CRASHED):
        headers["Foldline-Wait"] = "0"
    if item.time is not None:
        headers["Foldline-Time"] = item.time
    return headers


def _note_positions(item: Item, response: httpx.Response) -> None:
    with suppress(ValueError):  # the write succeeded, whatever a proxy did to the header
        for place, sequence in parse_positions(response.headers.get(POSITION, "")):
            item.ref.reached(place, sequence)


def retry_after(response: httpx.Response) -> float:
    """Return the seconds after which the server wants to be asked again; 0 if it does not say."""
    text = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
