"""The line's streams: created where missing, compared with the declaration, never changed silently."""

import asyncio
import json
import logging
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from nats.aio.client import Client
from nats.errors import Error

from runtime.problems import Problem
from runtime.settings import Settings
from schemas.streams import MAX_PAYLOAD, MIN_SERVER, STREAMS, drift

logger = logging.getLogger("foldline.line")

_NOT_FOUND = 10059
_NO_MESSAGE = 10037
_NO_QUORUM_YET = 503


class LineProblem(Problem):
    """The server or a stream is not what the promises need; the message says which field and what to do."""


async def prepare_line(nc: Client, settings: Settings) -> None:
    """Check the server, then create missing streams and compare the others. Raises LineProblem."""
    check_server(nc)
    await check_sync(settings)
    deadline = time.monotonic() + settings.connect_timeout
    for stream in STREAMS:
        declared = stream.config(partitions=settings.partitions, replicas=settings.stream_replicas)
        await _ensure(nc, declared, deadline)


def check_server(nc: Client) -> None:
    """The connected server is new enough and takes messages large enough to be set aside."""
    version = nc.connected_server_version
    if (version.major, version.minor, version.patch) < MIN_SERVER:
        raise LineProblem(
            f"nats-server {version.major}.{version.minor}.{version.patch} is too old: "
            f"{'.'.join(map(str, MIN_SERVER))} or newer is needed (FOLDLINE_NATS_URL, FOLDLINE_NATS_SERVER)"
        )
    if nc.max_payload < MAX_PAYLOAD:
        raise LineProblem(
            f"nats-server max_payload is {nc.max_payload}, {MAX_PAYLOAD} is needed: set max_payload: 8MB"
        )


async def check_sync(settings: Settings) -> None:
    """JetStream acknowledges only what is synced to disk, as its monitoring port tells."""
    if settings.allow_unsynced:
        return
    advice = "set sync_interval: always in the server's jetstream block, or FOLDLINE_ALLOW_UNSYNCED=true"
    if not settings.nats_monitor_url:
        raise LineProblem(
            f"cannot see whether NATS syncs before it acknowledges: set FOLDLINE_NATS_MONITOR_URL, {advice}"
        )
    url = settings.nats_monitor_url.rstrip("/") + "/jsz"
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            config = (await client.get(url)).json().get("config", {})
    except (httpx.HTTPError, ValueError) as exc:
        host = urlsplit(url).netloc
        raise LineProblem(
            f"NATS monitoring at {host} does not answer ({exc}): see FOLDLINE_NATS_MONITOR_URL"
        ) from exc
    if not config.get("sync_always"):
        raise LineProblem(f"NATS acknowledges before it syncs: {advice}")


async def _ensure(nc: Client, declared: dict[str, Any], deadline: float) -> None:
    name = declared["name"]
    while True:
        info = await api(nc, f"STREAM.INFO.{name}")
        error = info.get("error", {})
        if error.get("err_code") == _NOT_FOUND:
            info = await api(nc, f"STREAM.CREATE.{name}", declared)
            error = info.get("error", {})
        if not error:
            break
        # A young cluster has no meta leader yet; anything else will not get better by waiting.
        if error.get("code") != _NO_QUORUM_YET or time.monotonic() >= deadline:
            raise LineProblem(f"stream {name}: {error.get('description', error)}")
        await asyncio.sleep(0.2)
    if lines := drift(declared, info["config"]):
        raise LineProblem(
            "; ".join(lines)
            + " (change the setting back, or move to new streams: partitions are fixed for good)"
        )


async def api(
    nc: Client, call: str, body: dict[str, Any] | None = None, timeout: float = 5
) -> dict[str, Any]:
    """One JetStream API call by its bare name; errors come back in the answer's `error`.

    An unanswered call reads as `{"error": {"code": 503}}`, which is what a cluster without a leader says.
    """
    try:
        reply = await nc.request(
            f"$JS.API.{call}", json.dumps(body).encode() if body else b"", timeout=timeout
        )
    except (Error, OSError) as exc:
        return {"error": {"code": _NO_QUORUM_YET, "description": f"JetStream does not answer: {exc}"}}
    answer: dict[str, Any] = json.loads(reply.data)
    return answer


async def newest_sequence(nc: Client, stream: str, stored_filter: str) -> int:
    """The sequence of the newest message of a subject; 0 without one. Raises LookupError."""
    answer = await api(nc, f"STREAM.MSG.GET.{stream}", {"last_by_subj": stored_filter})
    if error := answer.get("error"):
        if error.get("err_code") == _NO_MESSAGE:
            return 0
        raise LookupError(f"stream {stream}: {error.get('description', error)}")
    return int(answer["message"]["seq"])
