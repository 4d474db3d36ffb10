"""Request bodies, answers and errors of operator routes."""

from collections.abc import Awaitable
from typing import Annotated, Final, TypeVar

import psycopg
from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from api.operations.projection_control import ProjectionControl
from api.reading.reader import NOT_INSTALLED, NOT_SET_UP
from line.problems import StreamUnavailable
from projections.projection import Key
from runtime.database.engine.operator_reason import checked_reason
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, unavailable
from runtime.problems import Problem
from schemas.errors import ErrorCode
from schemas.validation import check_body, from_validation_error

_MAX_BODY: Final = 16 << 10
BODY_ERRORS: Final = (400, 413, 415)
"""The statuses by which `read_json` refuses a body."""
T = TypeVar("T")


class RequestBody(BaseModel):
    """A request body; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


B = TypeVar("B", bound=RequestBody)


def _reason(text: str) -> str:
    try:
        return checked_reason("an operation", text)
    except Problem as exc:
        raise ValueError(str(exc)) from None


class ReasonBody(RequestBody):
    """The reason for an operation, shown to whoever looks at it later."""

    reason: Annotated[str, Field(min_length=1), AfterValidator(_reason)]


class EntityBody(RequestBody):
    """The id of one entity, and its site; default: this server's own."""

    id: str = Field(min_length=1)
    site: str | None = None

    def key(self, own_site: str) -> Key:
        """The entity's site and id."""
        return self.site or own_site, self.id


def check_known(control: ProjectionControl, name: str) -> None:
    """Raise HttpProblem (404) unless there is a projection of that name."""
    if name not in control.names:
        names = ", ".join(control.names)
        raise HttpProblem(ErrorCode.UNKNOWN_PROJECTION, f"no projection {name[:100]!r}: known are {names}")


async def completed(operation: Awaitable[T]) -> T:
    """Await an operation. Raises HttpProblem: 409 for what the present state does not allow, 503."""
    try:
        return await operation
    except StreamUnavailable as exc:
        raise unavailable(exc.message) from None
    except Problem as exc:
        raise HttpProblem(ErrorCode.CONFLICT, str(exc)) from None
    except NOT_INSTALLED:
        raise unavailable(NOT_SET_UP) from None
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
        raise unavailable("PostgreSQL does not answer; try again") from None


async def read_json(model: type[B], request: Request) -> B:
    """Read the body of a request; none counts as `{}`. Raises InvalidFact, HttpProblem."""
    body = await read_body(request, _MAX_BODY)
    check_body(body, max_bytes=_MAX_BODY)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as exc:
        raise from_validation_error(exc, body) from None
