"""`/v1/reactors`: list, pause and resume."""

from fastapi import APIRouter, Request, Response

from api.operations.operator_io import BODY_ERRORS, ReasonBody, completed, read_json
from api.operations.reactor_control import ReactorControl
from api.reading.reader import NOT_SET_UP
from api.reading.responses import encoded_response
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.openapi import operation
from schemas.errors import ErrorCode
from schemas.reactors import ReactorChanged, ReactorList, ReactorStatus


def reactors_router(control: ReactorControl) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1/reactors", tags=["operations"])

    def check_known(name: str) -> None:
        if name not in control.names:
            names = ", ".join(control.names)
            raise HttpProblem(ErrorCode.UNKNOWN_REACTOR, f"no reactor {name[:100]!r}: known are {names}")

    @router.get("", **operation("list_reactors", ReactorList, errors=(503,)))
    async def reactors() -> Response:
        """All reactors: state, what waits for them, the last success and failure, pauses."""
        return encoded_response(ReactorList(reactors=await completed(control.statuses())))

    @router.get("/{name}", **operation("read_reactor", ReactorStatus, errors=(404, 503)))
    async def reactor(name: str) -> Response:
        """One reactor."""
        check_known(name)
        found = [one for one in await completed(control.statuses()) if one.name == name]
        if not found:
            raise unavailable(NOT_SET_UP)
        return encoded_response(found[0])

    @router.post(
        "/{name}/pause",
        **operation(
            "pause_reactor", ReactorChanged, request=ReasonBody, errors=(*BODY_ERRORS, 404, 409, 503)
        ),
    )
    async def pause(name: str, request: Request) -> Response:
        """Stop a reactor until resumed, over restarts as well; nothing that waits for it is lost."""
        check_known(name)
        body = await read_json(ReasonBody, request)
        return encoded_response(ReactorChanged(changed=await completed(control.pause(name, body.reason))))

    @router.post("/{name}/resume", **operation("resume_reactor", ReactorChanged, errors=(404, 503)))
    async def resume(name: str) -> Response:
        """Let a reactor go on from where it was."""
        check_known(name)
        return encoded_response(ReactorChanged(changed=await completed(control.resume(name))))

    return router
