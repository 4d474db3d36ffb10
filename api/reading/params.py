"""Query parameters: read into a model, or refused with the name, the value and what is allowed."""

from typing import Annotated, Any, Final, TypeVar

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from projections.sessions.state_conditions import StateCondition
from runtime.http.errors import HttpProblem
from schemas.errors import ErrorCode

Model = TypeVar("Model", bound=BaseModel)

_SHOWN: Final = 64  # characters of a value in an error
# Dashboards of the jobs reference send these empty for "not chosen"; another empty filter is the empty text.
_EMPTY_IS_NONE: Final = frozenset({"status", "app_name"})


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the NUL character cannot be part of a value")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Texts = tuple[Text, ...]
Limit = Annotated[int, Field(ge=1, le=1000)]


class Query(BaseModel):
    """The query parameters of a route; one it does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_query(model: type[Model], request: Request, *, apart: str | None = None) -> Model:
    """Read a request's query, without parameters that begin with `apart`. Raises HttpProblem (400).

    An empty filter is one: it is met by the empty text alone. Only empty `status` and `app_name` are none.
    """
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if (apart is not None and name.startswith(apart)) or (not value and name in _EMPTY_IS_NONE):
            continue
        if _may_repeat(model, name):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise invalid_parameter(name, "given more than once; only one value is allowed")
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "query"
        raise invalid_parameter(name, _why(model, first)) from None


def _why(model: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown parameter; known are {', '.join(_names(model))}"
    if error["type"] == "missing":
        return "required"
    message = error["msg"].removeprefix("Value error, ")
    return f"{str(error['input'])[:_SHOWN]!r} is not allowed: {message[:1].lower()}{message[1:]}"


def invalid_parameter(name: str, why: str) -> HttpProblem:
    """The documented error for a parameter that cannot be read."""
    return HttpProblem(ErrorCode.INVALID_PARAMETER, f"{name[:100]}: {why}")


def invalid_cursor(text: str, of: str) -> HttpProblem:
    """The error for a cursor that does not belong to the list `of`."""
    return invalid_parameter(
        "cursor", f"{text[:_SHOWN]!r} is not a cursor of {of}: send the one that came with the page before"
    )


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def state_conditions(name: str, texts: Texts, *, scalar: bool = False) -> tuple[StateCondition, ...]:
    """Read `dotted.path=value` parameters. `scalar` refuses objects. Raises HttpProblem (400)."""
    conditions = []
    for text in texts:
        try:
            condition = StateCondition.parse(text)
        except ValueError as exc:
            raise invalid_parameter(name, f"{text[:_SHOWN]!r} is not allowed: {exc}") from None
        if scalar and isinstance(condition.parameter().get("value"), dict):
            raise invalid_parameter(
                name,
                f"{text[:_SHOWN]!r} is an object, which has no history of its own: name a key of it",
            )
        conditions.append(condition)
    return tuple(conditions)


def _may_repeat(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and getattr(field.annotation, "__origin__", None) is tuple
