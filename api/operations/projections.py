"""`/v1/projections`: what the command line does to projections, over HTTP; long work is in `rebuilds`."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from api.operations.operator_io import Entity, Reason, answer, done, known, read_json
from api.operations.projection_control import ProjectionControl
from api.reading.reader import NOT_SET_UP
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import request_body


class SkippedEntity(Entity, Reason):
    """An entity whose event is passed over."""


def projections_router(control: ProjectionControl, site: str) -> APIRouter:
    """List, pause, resume, drop, and parked entities. `site` is the own one."""
    router = APIRouter(prefix="/v1/projections", tags=["operations"])

    @router.get("")
    async def projections() -> Response:
        """All projections: generations and versions, lag, who folds them, pauses."""
        return answer({"projections": await done(control.overview())})

    @router.get("/{name}")
    async def projection(name: str) -> Response:
        """One projection."""
        known(control, name)
        found = [one for one in await done(control.overview()) if one["name"] == name]
        if not found:
            raise unavailable(NOT_SET_UP)
        return answer(found[0])

    @router.post("/{name}/pause", openapi_extra=request_body(Reason))
    async def pause(name: str, request: Request) -> Response:
        """Stop folding, whatever restarts, until resumed. Readers go on."""
        known(control, name)
        wanted = await read_json(Reason, request)
        return answer({"paused": await done(control.pause(name, wanted.reason))})

    @router.post("/{name}/resume")
    async def resume(name: str) -> Response:
        """Fold again, also partitions that stopped by themselves."""
        known(control, name)
        return answer({"resumed": await done(control.resume(name))})

    @router.delete("/{name}/generations/{generation}")
    async def drop(name: str, generation: Literal["old", "building"]) -> Response:
        """Drop the generation kept from before the last rebuild, or one that is not built to its end."""
        known(control, name)
        if not await done(control.drop(name, generation)):
            raise HttpProblem(404, "Not found", f"there is no {generation} generation of {name}")
        return answer({"dropped": generation})

    @router.get("/{name}/parked")
    async def parked(name: str) -> Response:
        """Entities whose fold raised, and the event each is stuck at."""
        known(control, name)
        return answer({"items": await done(control.parked(name))})

    @router.post("/{name}/parked/retry", openapi_extra=request_body(Entity))
    async def retry(name: str, request: Request) -> Response:
        """Fold what waits for an entity, in order, after the program was mended."""
        known(control, name)
        wanted = await read_json(Entity, request)
        return answer({"events": await done(control.retry(name, wanted.key(site)))})

    @router.post("/{name}/parked/skip", openapi_extra=request_body(SkippedEntity))
    async def skip(name: str, request: Request) -> Response:
        """Pass over the event an entity is stuck at, in every fold from now on, and fold what waits."""
        known(control, name)
        wanted = await read_json(SkippedEntity, request)
        return answer({"events": await done(control.skip(name, wanted.key(site), wanted.reason))})

    return router
