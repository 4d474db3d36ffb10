"""`/ready`: the route by which probes ask a process of any kind what works."""

from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.errors import HttpProblem
from runtime.http.openapi import answer, operation
from runtime.http.ready import ReadyDocument, ready_response
from runtime.readiness import Readiness
from schemas.errors import ErrorCode

_WANTED: Final = "for"


class ReadyQuery(BaseModel):
    """The query of `/ready`: the purposes that all have to work."""

    wanted: str | None = Field(None, alias=_WANTED, description="`reads`, `writes` or `reads,writes`.")


def ready_router(readiness: Readiness) -> APIRouter:
    """Make `GET /ready`. A process that has nothing to read or to write is never ready for that."""
    router = APIRouter(tags=["operations"], route_class=DirectRoute)
    described = operation(
        "read_readiness",
        ReadyDocument,
        query=ReadyQuery,
        errors=[400],
        others={503: answer(ReadyDocument)},
    )

    async def ready(request: Request) -> Response:
        """Every dependency is asked: 200 while reads or writes work; with `for` all of that has to work."""
        given = request.query_params
        if unknown := [name for name in given if name != _WANTED]:
            details = f"{unknown[0][:100]}: unknown parameter; known are {_WANTED}"
            raise HttpProblem(ErrorCode.INVALID_PARAMETER, details)
        wanted = given.getlist(_WANTED)
        return await ready_response(readiness, ",".join(wanted) if wanted else None)

    router.get("/ready", **described)(ready)
    router.head("/ready", include_in_schema=False)(ready)
    return router
