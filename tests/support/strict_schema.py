"""Response models as schemas that allow nothing they do not name, for comparing bodies with them."""

from typing import Any

import jsonschema_rs
from pydantic import TypeAdapter


def problems(model: Any, body: Any, *, whole: bool = True) -> list[str]:
    """Return in what a body differs from a model; without `whole` fields of the model may be missing."""
    schema = closed(TypeAdapter(model).json_schema(mode="serialization"))
    validator = jsonschema_rs.Draft202012Validator(schema if whole else _partial(schema))
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(body)]


def closed(schema: Any) -> Any:
    """Return a schema that forbids the properties it does not name, at every depth."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(one) for name, one in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def _partial(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_partial(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _partial(one) for name, one in schema.items() if name != "required"}
