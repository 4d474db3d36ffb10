"""Sync check: NATS must sync to disk before it acknowledges, as its servers' monitoring ports say."""

import asyncio
import logging
import time
from urllib.parse import urlsplit

import httpx

from line.problems import LineProblem
from runtime.settings.line import LineSettings

logger = logging.getLogger("foldline.line")

_SETTING = "FOLDLINE_NATS_MONITOR_URL"
_ADVICE = "set sync_interval: always in the server's jetstream block, or FOLDLINE_ALLOW_UNSYNCED=true"
_POLL_S = 0.5
_YOUNG_S = 2.0


async def check_sync(settings: LineSettings, deadline: float) -> None:
    """Check that every server that answers acknowledges only what is synced to disk. Raises LineProblem.

    More than half of the servers have to answer, as the line itself needs them; a few that are down only
    make a warning. While some answer, but too few, it waits until `deadline` (monotonic seconds), for the
    others may be starting; while none does, for two seconds, since a server takes clients before it shows
    what it does.
    """
    if settings.allow_unsynced:
        return
    urls = _urls(settings)
    # To read the certificates of all authorities takes 30 ms of every start; without TLS nobody needs them.
    by_tls = any(url.startswith("https:") for url in urls)
    none_until = min(deadline, time.monotonic() + _YOUNG_S)
    while True:
        async with httpx.AsyncClient(timeout=5, verify=by_tls) as client:
            silent = [host for host in await asyncio.gather(*(_silent(client, url) for url in urls)) if host]
        answering = len(urls) - len(silent)
        if 2 * answering > len(urls):
            break
        if time.monotonic() >= (deadline if answering else none_until):
            raise LineProblem(
                f"NATS monitoring does not answer at {'; '.join(silent)}: "
                f"{answering} of {len(urls)} servers answer, more than half must",
                _SETTING,
            )
        await asyncio.sleep(_POLL_S)
    for host in silent:
        logger.warning("cannot see whether NATS syncs before it acknowledges: no answer from %s", host)


def monitor_urls(settings: LineSettings) -> list[str]:
    """Return the monitoring URL of every server that is known, each once."""
    given = (url.strip().rstrip("/") for url in (settings.nats_monitor_url or "").split(","))
    return list(dict.fromkeys(url for url in given if url))


def _urls(settings: LineSettings) -> list[str]:
    urls = monitor_urls(settings)
    if not urls:
        raise LineProblem(f"cannot see whether NATS syncs before it acknowledges: set {_SETTING}, {_ADVICE}")
    if len(urls) < settings.stream_replicas:
        raise LineProblem(
            f"FOLDLINE_STREAM_REPLICAS is {settings.stream_replicas}, but only {len(urls)} of the servers "
            f"that keep the copies can be seen: name the monitoring URL of every server, comma-separated",
            _SETTING,
        )
    return urls


async def _silent(client: httpx.AsyncClient, url: str) -> str | None:
    """Return the host of a server that did not answer, and why; None if it syncs. Raises LineProblem."""
    host = urlsplit(url).netloc  # without what else a URL may hold
    try:
        config = (await client.get(f"{url}/jsz")).json().get("config", {})
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        return f"{host} ({str(exc) or type(exc).__name__})"
    if not config.get("sync_always"):
        raise LineProblem(f"NATS at {host} acknowledges before it syncs: {_ADVICE}")
    return None
