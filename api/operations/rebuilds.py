"""Background tasks on projections over HTTP: rebuild, put back, verify, with server-sent progress."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.operations.operator_io import (
    BODY_ERRORS,
    EntityBody,
    RequestBody,
    check_known,
    completed,
    read_json,
)
from api.operations.progress_stream import progress_stream
from api.operations.projection_control import ProjectionControl, TaskUpdate
from api.operations.responses import (
    Cancelled,
    Failure,
    FoldedEvents,
    FoldingProgress,
    RebuildDone,
    RebuildEnd,
    RebuildState,
    Verification,
)
from api.reading.responses import encoded_response
from api.reading.server_sent_events import event_stream, wants_events
from line.problems import StreamUnavailable
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import Header, answer, operation
from schemas.errors import ErrorCode

_POLL_S: Final = 1.0
_LOCATION: Final = Header("Location", "Where the progress is shown.", always=True)
_PROGRESS: Final = event_stream(FoldingProgress | RebuildDone | Failure)
_ERRORS: Final = (*BODY_ERRORS, 404, 409, 503)


class WorkersBody(RequestBody):
    """The number of processes that fold; default: the setting FOLDLINE_REBUILD_WORKERS."""

    workers: Annotated[int | None, Field(ge=1, le=64)] = None


class PutBackBody(WorkersBody):
    """Options of a put-back: `accept_loss` gives up what the event stream no longer holds."""

    accept_loss: bool = False


class RebuildBody(PutBackBody):
    """Options of a rebuild: `anew` discards an unfinished one; `entity` is rebuilt alone, in place.

    `accept_loss` gives up what the event stream no longer holds although nothing explains it.
    """

    anew: bool = False
    entity: EntityBody | None = None


class VerifyBody(WorkersBody):
    """Options of a verification: all differences are counted, at most `limit` are listed."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000


def rebuilds_router(control: ProjectionControl, own_site: str) -> APIRouter:
    """The routes. An entity without a site is taken to be of `own_site`."""
    router = APIRouter(prefix="/v1/projections/{name}", tags=["operations"])

    @router.post(
        "/rebuild",
        **_task("rebuild_projection", RebuildBody, others={200: answer(FoldedEvents, media=_PROGRESS)}),
    )
    async def rebuild(name: str, request: Request) -> Response:
        """Fold the line anew beside the live generation, then switch to it.

        With `Accept: text/event-stream` the answer shows `progress` until `done` or `failed`. Otherwise it is
        202 at once, and GET shows how far it is. 409 when the event stream no longer holds what the read
        model shows, and no retention explains it: `accept_loss` gives that up.
        """
        check_known(control, name)
        body = await read_json(RebuildBody, request)
        if body.entity is not None:
            folding = control.rebuild_entity(name, body.entity.key(own_site), accept_loss=body.accept_loss)
            return encoded_response({"events": await completed(folding)})
        updates = control.rebuild(
            name, anew=body.anew, put_back=False, accept_loss=body.accept_loss, workers=body.workers
        )
        return await _task_answer(name, request, updates)

    @router.post(
        "/put-back", **_task("put_back_projection", PutBackBody, others={200: answer(media=_PROGRESS)})
    )
    async def put_back(name: str, request: Request) -> Response:
        """Make the generation that the last rebuild replaced live again, once it has caught up."""
        check_known(control, name)
        body = await read_json(PutBackBody, request)
        updates = control.rebuild(
            name, anew=False, put_back=True, accept_loss=body.accept_loss, workers=body.workers
        )
        return await _task_answer(name, request, updates)

    @router.get(
        "/rebuild",
        **operation(
            "read_rebuild",
            RebuildState,
            media=event_stream(RebuildState | RebuildEnd | Failure),
            errors=(404, 503),
        ),
    )
    async def building(name: str, request: Request) -> Response:
        """The rebuild under way, wherever it was started; with `Accept: text/event-stream` its progress."""
        check_known(control, name)
        found = await completed(control.building(name))
        if found is None:
            raise HttpProblem(ErrorCode.NOT_FOUND, f"no generation of {name} is being built")
        if wants_events(request):
            updates = _watched(control, name, found["generation"])
            return progress_stream(TaskUpdate("progress", found), updates)
        return encoded_response(found)

    @router.delete("/rebuild", **operation("cancel_rebuild", Cancelled, errors=(404, 503)))
    async def cancel(name: str) -> Response:
        """Ask a rebuild to stop, wherever it runs; what was built is kept."""
        check_known(control, name)
        return encoded_response({"cancelled": await completed(control.cancel(name))})

    @router.post(
        "/verify",
        **operation(
            "verify_projection",
            Verification,
            request=VerifyBody,
            media=event_stream(FoldingProgress | Verification | Failure),
            errors=_ERRORS,
        ),
    )
    async def verify(name: str, request: Request) -> Response:
        """Fold the line into a scratch schema up to the live checkpoints, and compare every row.

        With `Accept: text/event-stream` the answer shows `progress` until `done`. Otherwise it waits.
        """
        check_known(control, name)
        body = await read_json(VerifyBody, request)
        updates = control.verify(name, limit=body.limit, workers=body.workers)
        last = await _first_update(updates)
        if wants_events(request):
            return progress_stream(last, updates)
        async for update in updates:
            last = update
        if last.kind == "failed":
            raise unavailable(last.data["details"], 5)
        return encoded_response(last.data)

    return router


def _task(operation_id: str, request: type[RequestBody], **more: Any) -> dict[str, Any]:
    return operation(
        operation_id,
        FoldingProgress | RebuildDone,
        status=202,
        request=request,
        response_headers=(_LOCATION,),
        errors=_ERRORS,
        **more,
    )


async def _task_answer(name: str, request: Request, updates: AsyncIterator[TaskUpdate]) -> Response:
    first = await _first_update(updates)
    if wants_events(request):
        return progress_stream(first, updates)
    where = {"Location": f"/v1/projections/{name}/rebuild"}
    return encoded_response(first.data, 202, where)


async def _first_update(updates: AsyncIterator[TaskUpdate]) -> TaskUpdate:
    """The first update. Raises HttpProblem (409, 503) for a task that could not even begin."""
    first = await anext(updates)
    if first.kind == "failed":
        details = first.data["details"]
        raise HttpProblem(ErrorCode.CONFLICT, details) if first.conflict else unavailable(details)
    return first


async def _watched(control: ProjectionControl, name: str, generation: int) -> AsyncIterator[TaskUpdate]:
    """Updates on a rebuild that may run in any process, read from the database, until it is over."""
    while True:
        await asyncio.sleep(_POLL_S)
        try:
            found, live = await control.building(name), await control.live_number(name)
        except StreamUnavailable as exc:
            yield _failed(f"the rebuild cannot be watched any longer: {exc.message}")
            return
        except (psycopg.Error, OSError, HttpProblem) as exc:
            yield _failed(f"the rebuild cannot be watched any longer: {exc}")
            return
        if found is not None and found["generation"] == generation:
            yield TaskUpdate("progress", found)
            continue
        if live == generation:
            yield TaskUpdate("done", {"generation": generation})
        else:
            yield _failed("the generation no longer exists: it was dropped, or a rebuild began anew")
        return


def _failed(details: str) -> TaskUpdate:
    return TaskUpdate("failed", {"details": details})
