"""How operator routes read requests and answer them, alike for all of `/v1/projections`."""

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import psycopg
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from api.operations.projection_control import ProjectionControl
from api.reading.reader import NOT_INSTALLED, NOT_SET_UP
from api.reading.responses import json_response
from line.problems import StreamUnavailable
from projections.projection import Key
from runtime.http.bodies import read_body
from runtime.http.errors import HttpProblem, unavailable
from runtime.problems import Problem
from schemas.validation import check_body, from_validation_error

_MAX_BODY: Final = 16 << 10
T = TypeVar("T")


class Body(BaseModel):
    """A request body; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


Named = TypeVar("Named", bound=Body)


class Reason(Body):
    """Why something rests, for whoever finds it later."""

    reason: str = Field(min_length=1)


class Entity(Body):
    """One entity. `site`: the own one by default."""

    id: str = Field(min_length=1)
    site: str | None = None

    def key(self, own: str) -> Key:
        """Site and id."""
        return self.site or own, self.id


def known(control: ProjectionControl, name: str) -> str:
    """The name of a projection. Raises HttpProblem (404)."""
    if name not in control.names:
        names = ", ".join(control.names)
        raise HttpProblem(404, "Unknown projection", f"no projection {name[:100]!r}: known are {names}")
    return name


async def done(act: Awaitable[T]) -> T:
    """What an operation answers. Raises HttpProblem: 409 for what cannot be done now, 503."""
    try:
        return await act
    except StreamUnavailable as exc:
        raise unavailable(exc.message) from None
    except Problem as exc:
        raise HttpProblem(409, "Conflict", str(exc)) from None
    except NOT_INSTALLED:
        raise unavailable(NOT_SET_UP) from None
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
        raise unavailable("PostgreSQL does not answer") from None


async def read_json(model: type[Named], request: Request) -> Named:
    """The body of a request, none as `{}`. Raises InvalidFact, HttpProblem that say what is wrong."""
    body = await read_body(request, _MAX_BODY)
    check_body(body, max_bytes=_MAX_BODY)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as exc:
        raise from_validation_error(exc, body) from None


def answer(value: Any) -> Response:
    """A value as JSON."""
    return json_response(to_json(value))
