"""`/v1/projections`: list, pause, resume, drop, and parked entities; `rebuilds` has what takes long."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from api.operations.operator_io import (
    BODY_ERRORS,
    EntityBody,
    ReasonBody,
    RequestBody,
    check_known,
    completed,
    read_json,
)
from api.operations.projection_control import ProjectionControl
from api.operations.responses import (
    Dropped,
    FoldedEvents,
    ParkedEntities,
    Paused,
    ProjectionList,
    ProjectionState,
    Resumed,
)
from api.reading.reader import NOT_SET_UP
from api.reading.responses import encoded_response
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import operation
from schemas.errors import ErrorCode


class SkipBody(EntityBody, ReasonBody):
    """The entity whose event is skipped, and why."""


def projections_router(control: ProjectionControl, own_site: str) -> APIRouter:
    """The routes. An entity without a site is taken to be of `own_site`."""
    router = APIRouter(prefix="/v1/projections", tags=["operations"])

    @router.get("", **operation("list_projections", ProjectionList, errors=(503,)))
    async def projections() -> Response:
        """All projections: generations and versions, lag, who folds them, pauses."""
        return encoded_response({"projections": await completed(control.overview())})

    @router.get("/{name}", **operation("read_projection", ProjectionState, errors=(404, 503)))
    async def projection(name: str) -> Response:
        """One projection."""
        check_known(control, name)
        found = [one for one in await completed(control.overview()) if one["name"] == name]
        if not found:
            raise unavailable(NOT_SET_UP)
        return encoded_response(found[0])

    @router.post("/{name}/pause", **_change("pause_projection", Paused, ReasonBody))
    async def pause(name: str, request: Request) -> Response:
        """Stop folding until resumed, over restarts as well; reads go on."""
        check_known(control, name)
        body = await read_json(ReasonBody, request)
        return encoded_response({"paused": await completed(control.pause(name, body.reason))})

    @router.post("/{name}/resume", **operation("resume_projection", Resumed, errors=(404, 503)))
    async def resume(name: str) -> Response:
        """Fold again; partitions that stopped by themselves go on as well."""
        check_known(control, name)
        return encoded_response({"resumed": await completed(control.resume(name))})

    @router.delete(
        "/{name}/generations/{generation}",
        **operation("drop_generation", Dropped, errors=(400, 404, 409, 503)),
    )
    async def drop(name: str, generation: Literal["old", "building"]) -> Response:
        """Drop the generation that the last rebuild replaced (`old`), or a half-built one (`building`)."""
        check_known(control, name)
        if not await completed(control.drop(name, generation)):
            raise HttpProblem(ErrorCode.NOT_FOUND, f"{name} has no generation {generation!r}")
        return encoded_response({"dropped": generation})

    @router.get("/{name}/parked", **operation("list_parked", ParkedEntities, errors=(404, 503)))
    async def parked(name: str) -> Response:
        """Entities whose fold raised, and the event each is stuck at."""
        check_known(control, name)
        return encoded_response({"items": await completed(control.parked(name))})

    @router.post("/{name}/parked/retry", **_change("retry_parked", FoldedEvents, EntityBody))
    async def retry(name: str, request: Request) -> Response:
        """Fold the events that wait for a parked entity, in order, once the fold is repaired."""
        check_known(control, name)
        body = await read_json(EntityBody, request)
        folded = await completed(control.retry(name, body.key(own_site)))
        return encoded_response({"events": folded})

    @router.post("/{name}/parked/skip", **_change("skip_parked_event", FoldedEvents, SkipBody))
    async def skip(name: str, request: Request) -> Response:
        """Skip the event an entity is stuck at, in every fold from now on, and fold the events behind it."""
        check_known(control, name)
        body = await read_json(SkipBody, request)
        return encoded_response(
            {"events": await completed(control.skip(name, body.key(own_site), body.reason))}
        )

    return router


def _change(operation_id: str, body: Any, request: type[RequestBody]) -> dict[str, Any]:
    return operation(operation_id, body, request=request, errors=(*BODY_ERRORS, 404, 409, 503))
