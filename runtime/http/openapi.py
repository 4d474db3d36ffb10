"""OpenAPI descriptions of operations, declared beside their routes.

Routes read and answer bytes themselves: nothing here runs for a request.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

_REF: Final = "#/$defs/"
_NULL: Final = {"type": "null"}
Media = Mapping[str, Mapping[str, Any]]
"""Schemas by media type."""

TEXT: Final[Mapping[str, Any]] = {"type": "string"}


class Header(NamedTuple):
    """A header of requests or answers. `always`: an answer has it in every case."""

    name: str
    description: str
    schema: Mapping[str, Any] = TEXT
    always: bool = False


def operation(
    operation_id: str,
    body: Any = None,
    *,
    status: int = 200,
    errors: Iterable[int] = (),
    query: type[BaseModel] | None = None,
    required: Collection[str] = (),
    request: Any = None,
    request_headers: Sequence[Header] = (),
    response_headers: Sequence[Header] = (),
    media: Media | None = None,
    others: Mapping[int, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what describes an operation, as keyword arguments of its route.

    `status` with `body`, `response_headers` and `media` is how it answers a success (see `answer`); `others`
    are further answers by status. `errors` are the statuses answered in the envelope of the surface; 400
    stands for the one by which the envelope answers invalid input. `query` and `request` are the types of the
    query and of the body that the route reads itself; `required` are parameters that are optional elsewhere.
    """
    extra: dict[str, Any] = {} if request is None else request_body(request)
    parameters = [
        *(query_parameters(query, required) if query else ()),
        *map(_parameter, request_headers),
    ]
    if parameters:
        extra["parameters"] = parameters
    return {
        "operation_id": operation_id,
        "summary": operation_id.replace("_", " ").capitalize(),
        "status_code": status,
        "response_class": Response if body is None else JSONResponse,
        "responses": {
            status: answer(body, response_headers, media),
            **(others or {}),
            **{code: {} for code in errors},
        },
        "openapi_extra": extra,
    }


def answer(body: Any = None, headers: Sequence[Header] = (), media: Media | None = None) -> dict[str, Any]:
    """Describe an answer: the type of its JSON, its headers, and schemas of other forms by media type."""
    described: dict[str, Any] = {
        "headers": {header.name: _described(header) for header in headers},
        "content": {media_type: {"schema": dict(schema)} for media_type, schema in (media or {}).items()},
    }
    return described if body is None else {"model": body, **described}


def request_body(body: Any) -> dict[str, Any]:
    """Describe a body of this type by its schema; it is required unless `{}`, or no body, is one as well."""
    adapter = TypeAdapter(body)
    try:
        adapter.validate_python({})
        required = False
    except ValidationError:
        required = True
    content = {"application/json": {"schema": inlined_schema(body)}}
    return {"requestBody": {"required": required, "content": content}}


def query_parameters(model: type[BaseModel], required: Collection[str] = ()) -> list[dict[str, Any]]:
    """Describe the parameters that a model reads from the query; those of `required` are so in any case."""
    properties = inlined_schema(model)["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": field.is_required() or name in required,
            "description": field.description or "",
            "schema": _without_null(properties[name]),
        }
        for name, field in ((field.alias or name, field) for name, field in model.model_fields.items())
    ]


def inlined_schema(type_: Any) -> dict[str, Any]:
    """Return the JSON schema of a type without references: they point into a document of its own."""
    schema = TypeAdapter(type_).json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(one, definitions) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(ref := value.get("$ref"), str) and ref.startswith(_REF):
        return _inlined(definitions[ref.removeprefix(_REF)], definitions)
    return {name: _inlined(one, definitions) for name, one in value.items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: one that is not given is absent, not null."""
    schema = {name: value for name, value in schema.items() if name not in ("title", "description")}
    kept = [one for one in schema.pop("anyOf", ()) if one != _NULL]
    if len(kept) > 1:
        return {"anyOf": kept, **schema}
    if schema.get("default", ...) is None:
        del schema["default"]
    return {**(kept[0] if kept else {}), **schema}


def _described(header: Header) -> dict[str, Any]:
    required = {"required": True} if header.always else {}
    return {"description": header.description, **required, "schema": dict(header.schema)}


def _parameter(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": False,
        "description": header.description,
        "schema": dict(header.schema),
    }
