"""Ingest routes of the jobs surface: `POST /v1/ingest/events` and `:batch`."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from producers.http.surface import Waiter, answered
from producers.http.write_headers import Wishes
from producers.job_admission import checked_batch, job_facts_by
from producers.publishing.publisher import Ack, BusUnavailable, Fact, Publisher, PublishError
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import request_body
from runtime.metrics import EVENTS_PROCESSED
from runtime.settings import Settings
from schemas.errors import JobError
from schemas.jobs.facts import JobEvent
from schemas.validation import MAX_DEPTH, InvalidFact, invalid_json

PROJECTION: Final = "jobs"
MAX_BATCH: Final = 10_000
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {status: {"model": JobError} for status in (413, 422, 503)}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSurface:
    """The dependencies of the ingest routes."""

    publisher: Publisher
    progress: Waiter
    settings: Settings
    now: Callable[[], datetime]

    def facts(self, wishes: Wishes) -> Callable[[bytes], Fact]:
        """What checks events, and makes facts of them. It raises InvalidFact."""
        return job_facts_by(self.settings, self.now, wishes.headers)


def job_events_router(surface: JobSurface) -> APIRouter:
    """The two ingest routes. A body is published as it came; those of a batch one by one."""
    router = APIRouter(prefix="/v1/ingest", tags=["jobs: write"], route_class=DirectRoute)

    async def ingest_event(request: Request) -> Response:
        """Store one event of a job or subjob. The same `idempotency_key` again has no effect."""
        started = time.perf_counter()
        wishes = Wishes.of(request.headers, surface.settings)
        body = await read_body(request, surface.settings.max_body)
        try:
            fact = surface.facts(wishes)(body)
        except InvalidFact as exc:
            EVENTS_PROCESSED.labels("unknown", exc.reason).inc()
            raise
        try:
            ack = await surface.publisher.publish(fact)
        except PublishError as exc:
            raise _unavailable(exc) from exc
        _count([fact], [ack])
        told = b'{"ok":true,"duration_s":%.6f}' % (time.perf_counter() - started)
        return await answered(surface.progress, PROJECTION, told, positions=[ack.position], wait=wishes.wait)

    async def ingest_batch(request: Request) -> Response:
        """Store events in their order. Those that are wrong are told one by one, the others are kept."""
        started = time.perf_counter()
        wishes = Wishes.of(request.headers, surface.settings, default_wait=0.0)
        items = split_batch(await read_body(request, surface.settings.max_batch_body))
        facts, errors = checked_batch(items, surface.facts(wishes))
        for error in errors:
            EVENTS_PROCESSED.labels("unknown", error["error"]).inc()
        acks = await _published(surface.publisher, facts)
        _count(facts, acks)
        told = {
            "ok": not errors,
            "total": len(items),
            "success": len(acks),
            "failed": len(errors),
            "errors": errors,
            "duration_s": round(time.perf_counter() - started, 6),
        }
        return await answered(
            surface.progress,
            PROJECTION,
            to_json(told),
            positions=[ack.position for ack in acks],
            wait=wishes.wait,
        )

    for path, endpoint, model in (
        ("/events", ingest_event, JobEvent),
        ("/events:batch", ingest_batch, list[JobEvent]),
    ):
        router.add_api_route(
            path, endpoint, methods=["POST"], openapi_extra=request_body(model), responses=_ERRORS
        )
    return router


def split_batch(body: bytes) -> list[bytes]:
    """The items of a JSON array, each as it came. Raises InvalidFact.

    Items are not looked into: what is wrong within one is found when it is its turn.
    """
    try:
        items = _ITEMS.decode(body)
    except RecursionError:
        raise InvalidFact("too_deep", f"nested deeper than {MAX_DEPTH} levels") from None
    except msgspec.ValidationError:
        raise InvalidFact("invalid_field", "a batch is a JSON array of events") from None
    except msgspec.DecodeError as exc:
        raise invalid_json(body, str(exc)) from None
    if len(items) > MAX_BATCH:
        raise InvalidFact("too_large", f"a batch has {len(items)} events, at most {MAX_BATCH} are allowed")
    return list(map(bytes, items))


async def _published(publisher: Publisher, facts: Sequence[Fact]) -> list[Ack]:
    """All are stored, or the client is told to send them again: by their keys each counts once."""
    acks = []
    for outcome in await publisher.publish_many(facts):
        if isinstance(outcome, PublishError):
            raise _unavailable(outcome)
        acks.append(outcome)
    return acks


def _count(facts: Sequence[Fact], acks: Sequence[Ack]) -> None:
    for (kind, duplicate), number in Counter(
        (fact.subject.fact, ack.duplicate) for fact, ack in zip(facts, acks, strict=True)
    ).items():
        EVENTS_PROCESSED.labels(kind, "duplicate" if duplicate else "stored").inc(number)


def _unavailable(exc: PublishError) -> HttpProblem:
    if isinstance(exc, BusUnavailable):
        return unavailable(str(exc), exc.retry_after)
    return unavailable(f"the line does not take it: {exc}", 10)
