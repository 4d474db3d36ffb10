"""OpenAPI descriptions of request bodies that FastAPI does not parse itself."""

from typing import Any

from pydantic import TypeAdapter

_REF = "#/$defs/"


def request_body(body: Any) -> dict[str, Any]:
    """Return a route's `openapi_extra` for a body of this type: its JSON schema without references."""
    schema = TypeAdapter(body).json_schema()
    definitions = schema.pop("$defs", {})
    return {"requestBody": {"content": {"application/json": {"schema": _inlined(schema, definitions)}}}}


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    # A reference points into the schema's own document, which OpenAPI does not have.
    if isinstance(value, list):
        return [_inlined(one, definitions) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(ref := value.get("$ref"), str) and ref.startswith(_REF):
        return _inlined(definitions[ref.removeprefix(_REF)], definitions)
    return {name: _inlined(one, definitions) for name, one in value.items()}
