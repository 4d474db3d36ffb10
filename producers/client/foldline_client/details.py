"""Reads a session back from the API, with everything that this client has written."""

from typing import Any
from urllib.parse import quote

import httpx

from foldline_client.errors import DetailsUnavailable
from foldline_client.http_transport import client_options
from foldline_client.items import SessionRef
from foldline_client.options import Options
from foldline_client.positions import LONGEST_WAIT, MIN_POSITION, WAIT


def require_api(api_url: str | None) -> str:
    """Return the API's address. Raises DetailsUnavailable if there is none."""
    if api_url is None:
        raise DetailsUnavailable("over nats:// there is no API to read from: pass api_url='http://host:9090'")
    return api_url


def unacknowledged(timeout: float) -> DetailsUnavailable:
    """Return the error of a session that cannot be read yet, since its facts are still on their way."""
    return DetailsUnavailable(
        f"not everything recorded was acknowledged within {timeout:g} s: try again, or with a longer timeout"
    )


def fetch(api_url: str, ref: SessionRef, options: Options, timeout: float) -> dict[str, Any]:
    """Read the session. Raises DetailsUnavailable."""
    try:
        with httpx.Client(**_reading(api_url, options, timeout)) as client:
            return _details(client.get(_path(ref), headers=_headers(ref, timeout)), ref)
    except httpx.RequestError as exc:
        raise _unreachable(exc, api_url) from exc


async def fetch_async(api_url: str, ref: SessionRef, options: Options, timeout: float) -> dict[str, Any]:
    """Read the session without blocking the loop. Raises DetailsUnavailable."""
    try:
        async with httpx.AsyncClient(**_reading(api_url, options, timeout)) as client:
            return _details(await client.get(_path(ref), headers=_headers(ref, timeout)), ref)
    except httpx.RequestError as exc:
        raise _unreachable(exc, api_url) from exc


def _reading(api_url: str, options: Options, timeout: float) -> dict[str, Any]:
    return {**client_options(api_url.rstrip("/"), options), "timeout": timeout}


def _path(ref: SessionRef) -> str:
    return f"/api/sessions/{quote(ref.id, safe='')}"


def _headers(ref: SessionRef, timeout: float) -> dict[str, str]:
    position = ref.position()
    if not position:
        return {}
    return {
        MIN_POSITION: position,
        WAIT: str(int(min(timeout, LONGEST_WAIT) * 1000)),
    }


def _details(response: httpx.Response, ref: SessionRef) -> dict[str, Any]:
    if not response.is_success:
        raise DetailsUnavailable(f"session {ref.id}: HTTP {response.status_code}: {response.text[:200]}")
    try:
        details = response.json()
    except ValueError as exc:
        raise DetailsUnavailable(f"session {ref.id}: the answer is not JSON") from exc
    if not isinstance(details, dict):
        raise DetailsUnavailable(f"session {ref.id}: the answer is not a JSON object")
    return details


def _unreachable(exc: httpx.RequestError, api_url: str) -> DetailsUnavailable:
    return DetailsUnavailable(f"{api_url} does not answer: {type(exc).__name__}: {exc}")
