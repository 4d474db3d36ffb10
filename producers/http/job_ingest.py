"""Ingest routes of the jobs surface: `POST /v1/ingest/events` and `:batch`."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from producers.http.ingest_responses import STORE_ERRORS, StoredBatch, StoredEvent
from producers.http.key_reuse import reused_keys
from producers.http.write_headers import FACT_HEADERS, WriteHeaders
from producers.http.write_response import WRITTEN_HEADERS, ProgressWaiter, projected, write_response
from producers.job_admission import admit_batch, job_admission
from producers.publishing.publisher import Ack, BusUnavailable, Publisher, PublishError
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import operation
from runtime.metrics import EVENTS_PROCESSED
from runtime.settings.http import WriteSettings
from schemas.facts import Fact
from schemas.jobs.facts import JobEvent
from schemas.validation import MAX_DEPTH, InvalidFact, invalid_json

PROJECTION: Final = "jobs"
MAX_BATCH: Final = 10_000
_Refusal = HttpProblem | InvalidFact
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSurface:
    """The dependencies of the ingest routes, given by the process's own app."""

    publisher: Publisher
    progress: ProgressWaiter
    settings: WriteSettings
    now: Callable[[], datetime]

    def admission(self, headers: WriteHeaders) -> Callable[[bytes], Fact]:
        """Return the admission of the events of one request. It raises InvalidFact."""
        return job_admission(self.settings, self.now, headers.passed_on)


def job_events_router(surface: JobSurface) -> APIRouter:
    """Make the two ingest routes. Every event is published byte for byte."""
    router = APIRouter(prefix="/v1/ingest", tags=["jobs: write"], route_class=DirectRoute)

    async def ingest_event(request: Request) -> Response:
        """Store one event of a job or subjob. The same `idempotency_key` again has no effect."""
        started = time.perf_counter()
        headers = WriteHeaders.of(request.headers, surface.settings)
        body = await read_body(request, surface.settings.max_body)
        try:
            fact = surface.admission(headers)(body)
        except InvalidFact as exc:
            EVENTS_PROCESSED.labels("unknown", exc.reason).inc()
            raise
        try:
            ack = await surface.publisher.publish(fact)
        except PublishError as exc:
            raise _unavailable(exc) from exc
        refused = (await reused_keys(surface.publisher, [fact], [ack])).get(0)
        _count([fact], [ack], [refused])
        if refused is not None:
            raise refused
        answer = b'{"ok":true,"duration_s":%.6f}' % (time.perf_counter() - started)
        return await write_response(
            surface.progress, PROJECTION, answer, positions=[ack.position], wait=headers.wait
        )

    async def ingest_batch(request: Request) -> Response:
        """Store events in their order. Each bad event is reported by its index; the others are stored."""
        started = time.perf_counter()
        headers = WriteHeaders.of(request.headers, surface.settings, default_wait=0.0)
        items = split_batch(await read_body(request, surface.settings.max_batch_body))
        facts, errors = admit_batch(items, surface.admission(headers))
        for error in errors:
            EVENTS_PROCESSED.labels("unknown", error["error"]).inc()
        acks = await _published(surface.publisher, facts)
        reused = await reused_keys(surface.publisher, facts, acks)
        positions = [ack.position for place, ack in enumerate(acks) if place not in reused]
        outcome = await projected(surface.progress, PROJECTION, positions, headers.wait)
        refused = [
            reused.get(place) or outcome.rejections.get(ack.position) for place, ack in enumerate(acks)
        ]
        _count(facts, acks, refused)
        errors = _with_refused(len(items), errors, refused)
        answer = {
            "ok": not errors,
            "total": len(items),
            "success": len(items) - len(errors),
            "failed": len(errors),
            "errors": errors,
            "duration_s": round(time.perf_counter() - started, 6),
        }
        return Response(to_json(answer), 200, outcome.headers, "application/json")

    for path, endpoint, name, body, batch in (
        ("/events", ingest_event, "ingest_event", StoredEvent, JobEvent),
        ("/events:batch", ingest_batch, "ingest_batch", StoredBatch, list[JobEvent]),
    ):
        described = operation(
            name,
            body,
            request=batch,
            request_headers=FACT_HEADERS,
            response_headers=WRITTEN_HEADERS,
            errors=STORE_ERRORS,
        )
        router.add_api_route(path, endpoint, methods=["POST"], **described)
    return router


def split_batch(body: bytes) -> list[bytes]:
    """Return the items of a JSON array, each byte for byte. Raises InvalidFact.

    The items themselves are not checked here: admission does that, one by one.
    """
    try:
        items = _ITEMS.decode(body)
    except RecursionError:
        raise InvalidFact("too_deep", f"nested deeper than {MAX_DEPTH} levels") from None
    except msgspec.ValidationError:
        raise InvalidFact("invalid_field", "a batch must be a JSON array of events") from None
    except msgspec.DecodeError as exc:
        raise invalid_json(body, str(exc)) from None
    if len(items) > MAX_BATCH:
        raise InvalidFact("too_large", f"the batch has {len(items)} events, at most {MAX_BATCH} are allowed")
    return list(map(bytes, items))


async def _published(publisher: Publisher, facts: Sequence[Fact]) -> list[Ack]:
    """Store all facts, or answer 503: sent again, each counts once by its key. Raises HttpProblem."""
    acks = []
    for outcome in await publisher.publish_many(facts):
        if isinstance(outcome, PublishError):
            raise _unavailable(outcome)
        acks.append(outcome)
    return acks


def _with_refused(
    items: int, errors: Sequence[dict[str, Any]], refused: Sequence[_Refusal | None]
) -> list[dict[str, Any]]:
    """Return the errors of a batch by index: of admission, and of what was `refused` of the admitted rest."""
    bad = {error["index"] for error in errors}
    admitted = [index for index in range(items) if index not in bad]
    later = [
        {"index": index, "error": one.code, "detail": one.details}
        for index, one in zip(admitted, refused, strict=True)
        if one is not None
    ]
    return sorted([*errors, *later], key=itemgetter("index"))


def _count(facts: Sequence[Fact], acks: Sequence[Ack], refused: Sequence[_Refusal | None]) -> None:
    for (kind, label), number in Counter(
        (fact.subject.fact, one.code if one else "duplicate" if ack.duplicate else "stored")
        for fact, ack, one in zip(facts, acks, refused, strict=True)
    ).items():
        EVENTS_PROCESSED.labels(kind, label).inc(number)


def _unavailable(exc: PublishError) -> HttpProblem:
    if isinstance(exc, BusUnavailable):
        return unavailable(str(exc), exc.retry_after)
    return unavailable(f"the event stream does not take this event: {exc}", 10)
