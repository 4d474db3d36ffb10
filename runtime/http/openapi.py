"""Request bodies that are read by hand, described for OpenAPI all the same."""

from typing import Any

from pydantic import TypeAdapter

_REF = "#/$defs/"


def request_body(body: Any) -> dict[str, Any]:
    """What a route needs as `openapi_extra`: the JSON schema of a type, complete in itself."""
    schema = TypeAdapter(body).json_schema()
    definitions = schema.pop("$defs", {})
    return {"requestBody": {"content": {"application/json": {"schema": _inlined(schema, definitions)}}}}


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    # A reference would point into a document that is not there.
    if isinstance(value, list):
        return [_inlined(one, definitions) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(ref := value.get("$ref"), str) and ref.startswith(_REF):
        return _inlined(definitions[ref.removeprefix(_REF)], definitions)
    return {name: _inlined(one, definitions) for name, one in value.items()}
