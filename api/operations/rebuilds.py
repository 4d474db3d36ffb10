"""Long work on projections over HTTP: rebuild, put back, verify, with server-sent progress."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.operations.operator_io import Body, Entity, answer, done, known, read_json
from api.operations.projection_control import Operations, Told, Work
from api.reading.event_stream import event_stream, wants_events
from line.problems import StreamUnavailable
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import request_body

_POLL_S: Final = 1.0


class Share(Body):
    """How many processes do the work; by default what the setting says."""

    workers: Annotated[int | None, Field(ge=1, le=64)] = None


class Rebuild(Share):
    """`anew` throws away what an earlier rebuild built so far; `entity` rebuilds only one, in place."""

    anew: bool = False
    entity: Entity | None = None


class Verify(Share):
    """All differences are counted, at most `limit` are listed."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000


def rebuilds_router(operations: Operations, site: str) -> APIRouter:
    """Rebuild, put back, cancel, verify. `site` is the own one."""
    router = APIRouter(prefix="/v1/projections/{name}", tags=["operations"])

    @router.post("/rebuild", openapi_extra=request_body(Rebuild))
    async def rebuild(name: str, request: Request) -> Response:
        """Fold the line anew beside the live generation, then switch to it.

        With `Accept: text/event-stream` the answer shows `progress` until `done` or `failed`. Otherwise it is
        202 at once, and GET shows how far it is.
        """
        known(operations, name)
        wanted = await read_json(Rebuild, request)
        if wanted.entity is not None:
            return answer({"events": await done(operations.rebuild_entity(name, wanted.entity.key(site)))})
        work = operations.rebuild(name, anew=wanted.anew, put_back=False, workers=wanted.workers)
        return await _shown(name, request, work)

    @router.post("/put-back", openapi_extra=request_body(Share))
    async def put_back(name: str, request: Request) -> Response:
        """Make the generation from before the last rebuild live again, after it has caught up."""
        known(operations, name)
        wanted = await read_json(Share, request)
        work = operations.rebuild(name, anew=False, put_back=True, workers=wanted.workers)
        return await _shown(name, request, work)

    @router.get("/rebuild")
    async def building(name: str, request: Request) -> Response:
        """The rebuild under way, wherever it was started; with `Accept: text/event-stream` as it goes on."""
        known(operations, name)
        found = await done(operations.building(name))
        if found is None:
            raise HttpProblem(404, "Not found", f"no generation of {name} is being built")
        if wants_events(request):
            return event_stream(Told("progress", found), _watched(operations, name, found["generation"]))
        return answer(found)

    @router.delete("/rebuild")
    async def cancel(name: str) -> Response:
        """Ask a rebuild to stop, wherever it runs; what was built is kept."""
        known(operations, name)
        return answer({"cancelled": await done(operations.cancel(name))})

    @router.post("/verify", openapi_extra=request_body(Verify))
    async def verify(name: str, request: Request) -> Response:
        """Fold the line into a scratch schema up to the live checkpoints, and compare every row.

        With `Accept: text/event-stream` the answer shows `progress` until `done`. Otherwise it waits.
        """
        known(operations, name)
        wanted = await read_json(Verify, request)
        following = operations.verify(name, limit=wanted.limit, workers=wanted.workers).follow()
        last = await _begun(following)
        if wants_events(request):
            return event_stream(last, following)
        async for told in following:
            last = told
        if last.kind == "failed":
            raise HttpProblem(503, "Service unavailable", last.data["details"], {"Retry-After": "5"})
        return answer(last.data)

    return router


async def _shown(name: str, request: Request, work: Work) -> Response:
    following = work.follow()
    first = await _begun(following)
    if wants_events(request):
        return event_stream(first, following)
    where = {"Location": f"/v1/projections/{name}/rebuild"}
    return Response(to_json(first.data), 202, media_type="application/json", headers=where)


async def _begun(following: AsyncIterator[Told]) -> Told:
    """The first reading. Raises HttpProblem (409, 503) for work that could not even begin."""
    first = await anext(following)
    if first.kind == "failed":
        details = first.data["details"]
        raise HttpProblem(409, "Conflict", details) if first.conflict else unavailable(details)
    return first


async def _watched(operations: Operations, name: str, generation: int) -> AsyncIterator[Told]:
    """Readings of a rebuild that may run anywhere, from the database, until it is over."""
    while True:
        await asyncio.sleep(_POLL_S)
        try:
            found, live = await operations.building(name), await operations.live_number(name)
        except StreamUnavailable as exc:
            yield Told("failed", {"details": f"cannot be watched any longer: {exc.message}"})
            return
        except (psycopg.Error, OSError, HttpProblem) as exc:
            yield Told("failed", {"details": f"cannot be watched any longer: {exc}"})
            return
        if found is not None and found["generation"] == generation:
            yield Told("progress", found)
            continue
        if live == generation:
            yield Told("done", {"generation": generation})
        else:
            yield Told("failed", {"details": "the generation is gone: it was dropped, or built anew"})
        return
