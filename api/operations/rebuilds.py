"""Background tasks on projections over HTTP: rebuild, put back, verify, with server-sent progress."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from api.operations.operator_io import Body, Entity, answer, done, known, read_json
from api.operations.progress_stream import progress_stream
from api.operations.projection_control import ProjectionControl, TaskUpdate
from api.reading.server_sent_events import wants_events
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


def rebuilds_router(control: ProjectionControl, site: str) -> APIRouter:
    """Rebuild, put back, cancel, verify. `site` is the own one."""
    router = APIRouter(prefix="/v1/projections/{name}", tags=["operations"])

    @router.post("/rebuild", openapi_extra=request_body(Rebuild))
    async def rebuild(name: str, request: Request) -> Response:
        """Fold the line anew beside the live generation, then switch to it.

        With `Accept: text/event-stream` the answer shows `progress` until `done` or `failed`. Otherwise it is
        202 at once, and GET shows how far it is.
        """
        known(control, name)
        wanted = await read_json(Rebuild, request)
        if wanted.entity is not None:
            return answer({"events": await done(control.rebuild_entity(name, wanted.entity.key(site)))})
        updates = control.rebuild(name, anew=wanted.anew, put_back=False, workers=wanted.workers)
        return await _shown(name, request, updates)

    @router.post("/put-back", openapi_extra=request_body(Share))
    async def put_back(name: str, request: Request) -> Response:
        """Make the generation from before the last rebuild live again, after it has caught up."""
        known(control, name)
        wanted = await read_json(Share, request)
        updates = control.rebuild(name, anew=False, put_back=True, workers=wanted.workers)
        return await _shown(name, request, updates)

    @router.get("/rebuild")
    async def building(name: str, request: Request) -> Response:
        """The rebuild under way, wherever it was started; with `Accept: text/event-stream` as it goes on."""
        known(control, name)
        found = await done(control.building(name))
        if found is None:
            raise HttpProblem(404, "Not found", f"no generation of {name} is being built")
        if wants_events(request):
            updates = _watched(control, name, found["generation"])
            return progress_stream(TaskUpdate("progress", found), updates)
        return answer(found)

    @router.delete("/rebuild")
    async def cancel(name: str) -> Response:
        """Ask a rebuild to stop, wherever it runs; what was built is kept."""
        known(control, name)
        return answer({"cancelled": await done(control.cancel(name))})

    @router.post("/verify", openapi_extra=request_body(Verify))
    async def verify(name: str, request: Request) -> Response:
        """Fold the line into a scratch schema up to the live checkpoints, and compare every row.

        With `Accept: text/event-stream` the answer shows `progress` until `done`. Otherwise it waits.
        """
        known(control, name)
        wanted = await read_json(Verify, request)
        updates = control.verify(name, limit=wanted.limit, workers=wanted.workers)
        last = await _begun(updates)
        if wants_events(request):
            return progress_stream(last, updates)
        async for update in updates:
            last = update
        if last.kind == "failed":
            raise HttpProblem(503, "Service unavailable", last.data["details"], {"Retry-After": "5"})
        return answer(last.data)

    return router


async def _shown(name: str, request: Request, updates: AsyncIterator[TaskUpdate]) -> Response:
    first = await _begun(updates)
    if wants_events(request):
        return progress_stream(first, updates)
    where = {"Location": f"/v1/projections/{name}/rebuild"}
    return Response(to_json(first.data), 202, media_type="application/json", headers=where)


async def _begun(updates: AsyncIterator[TaskUpdate]) -> TaskUpdate:
    """The first update. Raises HttpProblem (409, 503) for a task that could not even begin."""
    first = await anext(updates)
    if first.kind == "failed":
        details = first.data["details"]
        raise HttpProblem(409, "Conflict", details) if first.conflict else unavailable(details)
    return first


async def _watched(control: ProjectionControl, name: str, generation: int) -> AsyncIterator[TaskUpdate]:
    """Updates on a rebuild that may run in any process, read from the database, until it is over."""
    while True:
        await asyncio.sleep(_POLL_S)
        try:
            found, live = await control.building(name), await control.live_number(name)
        except StreamUnavailable as exc:
            yield TaskUpdate("failed", {"details": f"cannot be watched any longer: {exc.message}"})
            return
        except (psycopg.Error, OSError, HttpProblem) as exc:
            yield TaskUpdate("failed", {"details": f"cannot be watched any longer: {exc}"})
            return
        if found is not None and found["generation"] == generation:
            yield TaskUpdate("progress", found)
            continue
        if live == generation:
            yield TaskUpdate("done", {"generation": generation})
        else:
            yield TaskUpdate("failed", {"details": "the generation is gone: it was dropped, or built anew"})
        return
