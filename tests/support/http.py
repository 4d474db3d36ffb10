"""HTTP clients of the processes under test."""

import ssl
from typing import Any, Final

import httpx

# Reading the certificates of all authorities takes a client 30 ms of a processor, and nobody here serves TLS.
_NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(url: str = "", **options: Any) -> httpx.AsyncClient:
    """Return a client for `url`, quickly made; `options` are those of httpx."""
    return httpx.AsyncClient(base_url=url, verify=_NO_AUTHORITIES, **options)


def sync_http_client(url: str = "", **options: Any) -> httpx.Client:
    """Return a client for `url` that blocks."""
    return httpx.Client(base_url=url, verify=_NO_AUTHORITIES, **options)
