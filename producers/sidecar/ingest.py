"""The sidecar's routes: the ingest endpoints of the jobs reference, its health and its metrics."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from producers.http.ingest_responses import INGEST_ERRORS, AcceptedEvent, SpooledBatch
from producers.http.job_ingest import split_batch
from producers.job_admission import admit_batch, job_admission
from producers.sidecar.carrier import Carried, Carrier
from producers.sidecar.health import SidecarHealth
from producers.sidecar.line_connection import LineConnection
from producers.sidecar.spool import Spool, SpoolFull
from runtime import metrics
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import unavailable
from runtime.http.openapi import TEXT, operation
from runtime.settings.line import IngestSettings
from schemas.facts import AUTO, CLOCK, OWN_CLOCK, Fact, message_id
from schemas.jobs.facts import JobEvent

_FULL_RETRY_S: Final = 10
_VERSION: Final = version("foldline")  # read from files, which takes longer than all else that health says
_ACCEPTED: Final = Response(b'{"ok":true}', media_type="application/json")  # the same for every event


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSurface:
    """The dependencies of the routes, given by the process's own app."""

    carrier: Carrier
    spool: Spool
    settings: IngestSettings
    line: LineConnection
    now: Callable[[], datetime]

    def admission(self, request: Request) -> Callable[[bytes], Fact]:
        """Return the admission of a request's events. It raises InvalidFact.

        An event without a key gets one, for it may be sent twice.
        """
        is_own = request.headers.get(CLOCK) == OWN_CLOCK
        admit_job = job_admission(self.settings, self.now, {CLOCK: OWN_CLOCK} if is_own else None)

        def admit(body: bytes) -> Fact:
            fact = admit_job(body)
            if fact.message_id.startswith(AUTO):
                return fact._replace(message_id=message_id(fact.subject, f"sidecar-{secrets.token_hex(16)}"))
            return fact

        return admit

    async def accept(self, facts: Sequence[Fact]) -> list[Carried]:
        """Store facts on the line or in the spool, and answer where each is. Raises HttpProblem 503."""
        try:
            carried = await self.carrier.accept(facts) if facts else []
        except SpoolFull as exc:
            raise unavailable(f"the spool is full: {exc}", _FULL_RETRY_S) from exc
        except (sqlite3.Error, OSError) as exc:
            raise unavailable(
                f"the spool in {self.spool.folder} cannot be written: {exc}", _FULL_RETRY_S
            ) from exc
        for way in carried:
            metrics.SIDECAR_ACCEPTED.add(way)
        return carried


def sidecar_router(surface: SidecarSurface) -> APIRouter:
    """Make the routes `POST /v1/ingest/events` and `:batch`, `GET /v1/healthz` and `/metrics`."""
    router = APIRouter(tags=["sidecar"], route_class=DirectRoute)

    async def ingest_event(request: Request) -> Response:
        """Accept one event: it is in the event stream, or synced in the spool, when this answers."""
        fact = surface.admission(request)(await read_body(request, surface.settings.max_body))
        await surface.accept([fact])
        return _ACCEPTED

    async def ingest_batch(request: Request) -> Response:
        """Accept events in their order. Each bad event is reported by its index; the others are kept."""
        items = split_batch(await read_body(request, surface.settings.max_batch_body))
        facts, errors = admit_batch(items, surface.admission(request))
        carried = await surface.accept(facts)
        ways = {"forwarded": carried.count("forwarded"), "spooled": carried.count("spooled")}
        bad: dict[str, Any] = {"failed": len(errors), "errors": errors} if errors else {}
        return _json({"ok": not errors, **ways, **bad})

    async def healthz(request: Request) -> Response:
        """Whether the event stream answers, and how much waits for it; events are accepted either way."""
        depth = surface.spool.depth
        connected = surface.line.connected
        return _json(
            {
                "status": "ok" if connected else "degraded",
                "service": "sidecar-agent",
                "version": _VERSION,
                "spool_count": depth.facts,
                "spool_dir": str(surface.spool.folder),
                "spool_bytes": depth.bytes,
                "spool_oldest_s": _age(depth.oldest),
                "poison_count": depth.poison,
                "line": "connected" if connected else "away",
                "line_problem": surface.line.problem,
            }
        )

    async def show_metrics(request: Request) -> Response:
        """The metrics of this process, for Prometheus."""
        depth = surface.spool.depth
        metrics.SPOOL_EVENTS.set(depth.facts)
        metrics.SPOOL_OLDEST.set(_age(depth.oldest))
        metrics.SPOOL_POISON.set(depth.poison)
        metrics.SPOOL_DISK.set(await asyncio.to_thread(surface.spool.on_disk))
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    for path, endpoint, name, body, batch in (
        ("/v1/ingest/events", ingest_event, "ingest_event", AcceptedEvent, JobEvent),
        ("/v1/ingest/events:batch", ingest_batch, "ingest_batch", SpooledBatch, list[JobEvent]),
    ):
        described = operation(name, body, request=batch, errors=INGEST_ERRORS)
        router.add_api_route(path, endpoint, methods=["POST"], **described)
    router.get("/v1/healthz", **operation("read_health", SidecarHealth))(healthz)
    router.head("/v1/healthz", include_in_schema=False)(healthz)
    router.get("/metrics", **operation("read_metrics", media={"text/plain": TEXT}))(show_metrics)
    return router


def _age(since: float | None) -> float:
    return 0.0 if since is None else round(max(0.0, time.time() - since), 3)


def _json(body: dict[str, Any]) -> Response:
    return Response(to_json(body), media_type="application/json")
