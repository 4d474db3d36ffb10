"""The line's streams: created where missing, grown where they lack something, never changed silently."""

import asyncio
import logging
import time
from typing import Any

from nats.aio.client import Client

from line.jetstream import NO_LEADER, ErrorCode, has_code, request_api
from line.problems import LineProblem
from line.stream_comparison import compare, describe
from runtime.settings.line import LineSettings
from schemas.registry import DECLARED
from schemas.streams import MAX_PAYLOAD, MIN_SERVER

logger = logging.getLogger("foldline.line")

_ORIGIN_S = 5.0


async def prepare_line(nc: Client, settings: LineSettings) -> None:
    """Check the server, then create missing streams and compare the others. Raises LineProblem."""
    # It needs an HTTP client: a fifth of what a worker of a rebuild would import, which asks for nothing.
    from line.sync import check_sync  # noqa: PLC0415

    check_server(nc)
    deadline = time.monotonic() + settings.connect_timeout
    await check_sync(settings, deadline)
    only_site = settings.site if settings.own_site_only else None
    for stream in settings.streams:
        if stream.origin is not None:
            await _await_origin(nc, *stream.origin)
        declared = DECLARED.config(
            stream, partitions=settings.partitions, replicas=settings.stream_replicas, only_site=only_site
        )
        await ensure_stream(nc, declared, deadline)


async def _await_origin(nc: Client, site: str, stream: str) -> None:
    """Wait a moment for a site: a copy made while it does not answer begins half a minute late."""
    deadline = time.monotonic() + _ORIGIN_S
    while time.monotonic() < deadline:
        if "error" not in await request_api(nc, f"STREAM.INFO.{stream}", timeout=1, domain=site):
            return
        await asyncio.sleep(0.2)
    logger.info("site %s does not answer: its jobs come when it does", site)


def check_server(nc: Client) -> None:
    """Check that the server is new enough and takes what may have to be set aside. Raises LineProblem."""
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


async def ensure_stream(nc: Client, declared: dict[str, Any], deadline: float) -> None:
    """Create the stream, or add to it what it lacks. Raises LineProblem for any other difference."""
    name = declared["name"]
    while True:
        info = await request_api(nc, f"STREAM.INFO.{name}")
        additions: dict[str, Any] = {}
        if has_code(info, ErrorCode.STREAM_NOT_FOUND):
            info = await request_api(nc, f"STREAM.CREATE.{name}", declared)
        elif "error" not in info and (additions := _additions(declared, info["config"])):
            before = info["config"]
            info = await request_api(nc, f"STREAM.UPDATE.{name}", before | additions)
        if not (error := info.get("error", {})):
            break
        # A young cluster has no meta leader yet or does not know all its servers; a program of another
        # version may have made the stream at this moment. Nothing else passes.
        passing = has_code(info, ErrorCode.TOO_FEW_SERVERS, ErrorCode.STREAM_NAME_IN_USE)
        if not (passing or error.get("code") == NO_LEADER) or time.monotonic() >= deadline:
            raise LineProblem(f"stream {name}: {error.get('description', error)}{_advice(info)}")
        await asyncio.sleep(0.2)
    if additions:
        logger.info("stream %s grows: %s", name, describe(additions, before))
    if left := _additions(declared, info["config"]):
        raise LineProblem(f"stream {name}: the server did not take {', '.join(left)} from {declared}")


def _additions(declared: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """Return what may be added to a stream at once. Raises LineProblem where more than that differs."""
    additions, problems = compare(declared, actual)
    if problems:
        raise LineProblem("; ".join(problems))
    return additions


def _advice(answer: dict[str, Any]) -> str:
    if has_code(answer, ErrorCode.TOO_FEW_SERVERS, ErrorCode.NO_CLUSTER):
        return ": FOLDLINE_STREAM_REPLICAS needs a NATS cluster of at least as many servers"
    return ""
