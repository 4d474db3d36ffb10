"""Query parameters: read into a model, refused with the parameter's name and what is allowed."""

from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from projections.sessions.condition import StateCondition
from runtime.http.errors import HttpProblem

Model = TypeVar("Model", bound=BaseModel)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the NUL character cannot be part of a value")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Texts = tuple[Text, ...]
Limit = Annotated[int, Field(ge=1, le=1000)]


class Query(BaseModel):
    """What a route accepts; a parameter it does not know is an error and not a silent no."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_query(model: type[Model], request: Request, *, apart: str | None = None) -> Model:
    """The query of a request, without parameters that begin with `apart`. Raises HttpProblem (400)."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if apart is not None and name.startswith(apart):
            continue
        if _repeats(model, name):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise bad_parameter(name, "given more than once")
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "query"
        if first["type"] == "extra_forbidden":
            raise bad_parameter(name, f"unknown; known are {', '.join(_names(model))}") from None
        raise bad_parameter(name, first["msg"].removeprefix("Value error, ")) from None


def bad_parameter(name: str, why: str) -> HttpProblem:
    """The documented error for a parameter nobody can answer."""
    return HttpProblem(400, "Invalid parameter", f"{name[:100]}: {why}")


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def conditions(name: str, texts: Texts, *, scalar: bool = False) -> tuple[StateCondition, ...]:
    """`dotted.path=value` parameters; `scalar`: no objects. Raises HttpProblem (400)."""
    try:
        read = tuple(StateCondition.parse(text) for text in texts)
    except ValueError as exc:
        raise bad_parameter(name, str(exc)) from None
    if scalar and any(isinstance(condition.parameter().get("value"), dict) for condition in read):
        raise bad_parameter(name, "an object has no history of its own: name one of its keys")
    return read


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """The same parameters for the OpenAPI description, as a route's `openapi_extra`."""
    properties = model.model_json_schema()["properties"]
    return {
        "parameters": [
            {
                "name": field.alias or name,
                "in": "query",
                "required": field.is_required(),
                "description": field.description or "",
                "schema": properties[field.alias or name],
            }
            for name, field in model.model_fields.items()
        ]
    }


def _repeats(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and getattr(field.annotation, "__origin__", None) is tuple
