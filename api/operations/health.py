"""Being operable: alive, ready, and in numbers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import APIRouter, Response
from nats.aio.client import Client
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from api.reading.reader import Reader
from line.identity import changes
from line.jetstream import request_api
from line.problems import StreamUnavailable
from projections.ownership import held_partitions, parked_count, paused_partitions
from runtime.http.errors import HttpProblem
from schemas.streams import Stream

_BOUND_S: Final = 2.0

Check = Callable[[], Awaitable[str | None]]
"""Asks one dependency; None is well, anything else says what is not."""


Refresh = Callable[[], Awaitable[None]]
"""Brings metrics up to date that are looked up; never raises, and is quick."""


def health_router(checks: Mapping[str, Check], notes: Mapping[str, Check], refresh: Refresh) -> APIRouter:
    """`/health`, `/ready` and `/metrics`. `checks` are by the name they are reported under.

    `notes` tell what somebody should look at although requests are served; None is nothing.
    """
    router = APIRouter(tags=["operations"])
    alive = to_json({"status": "healthy", "service": "foldline", "version": _version()})

    @router.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:
        """This process answers; nothing else is asked."""
        return Response(alive, media_type="application/json")

    @router.api_route("/ready", methods=["GET", "HEAD"])
    async def ready() -> Response:
        """Every dependency really asked: 200 if all are well, else 503."""
        found, noted = await asyncio.gather(ask_all(checks), ask_all(notes))
        well = not any(found.values())
        body: dict[str, Any] = {
            "status": "ready" if well else "not ready",
            "checks": {name: problem or "ok" for name, problem in found.items()},
        }
        if told := {name: note for name, note in noted.items() if note}:
            body["notes"] = told
        return Response(to_json(body), 200 if well else 503, media_type="application/json")

    @router.get("/metrics")
    async def metrics() -> Response:
        """What this process counts, for Prometheus."""
        await refresh()
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def line_check(nc: Client, streams: Iterable[Stream]) -> Check:
    """JetStream answers and has every stream."""
    names = [stream.name for stream in streams]

    async def check() -> str | None:
        if not nc.is_connected:
            return "not connected to NATS"
        for name in names:
            answer = await request_api(nc, f"STREAM.INFO.{name}", timeout=_BOUND_S / 2)
            if error := answer.get("error"):
                return f"stream {name}: {error.get('description', error)}"
        return None

    return check


def identity_check(reader: Reader, nc: Client) -> Check:
    """The streams are those the read models were folded from."""

    async def check() -> str | None:
        try:
            found = await reader.read(lambda conn: changes(nc, conn))
        except StreamUnavailable as exc:
            return exc.message
        return "; ".join(map(str, found)) or None

    return check


def projection_check(reader: Reader, projection: str) -> Check:
    """PostgreSQL answers, and every partition of the projection has a live owner."""

    async def check() -> str | None:
        partitions = reader.settings.partitions
        held = await reader.read(lambda conn: held_partitions(conn, projection))
        if held >= partitions:
            return None
        paused = await reader.read(lambda conn: paused_partitions(conn, projection))
        reasons = [f"paused {' '.join(map(str, parts))}: {reason}" for reason, parts in paused]
        return "; ".join([f"{held} of {partitions} partitions have a consumer", *reasons])

    return check


def parked_note(reader: Reader, projection: str) -> Check:
    """Entities whose fold raised: all others are served as ever."""

    async def check() -> str | None:
        count = await reader.read(lambda conn: parked_count(conn, projection))
        return f"{count} parked: see foldline parked" if count else None

    return check


async def ask_all(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Every check at once, each in bounded time; by name, None where all is well."""
    return dict(zip(checks, await asyncio.gather(*map(_ask, checks.values())), strict=True))


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_BOUND_S):
            return await check()
    except TimeoutError:
        return f"no answer within {_BOUND_S:g} s"
    except HttpProblem as problem:
        return problem.details


def _version() -> str:
    try:
        return version("foldline")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "unknown"
