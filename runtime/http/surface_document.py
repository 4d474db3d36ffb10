"""The OpenAPI document of a surface: FastAPI's, with the errors as the surface answers them."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from runtime.http.envelopes import Envelope

_SCHEMAS: Final = "#/components/schemas/"
_FRAMEWORK_ERROR: Final = "HTTPValidationError"
_RETRY_LATER: Final = ("429", "503")
_RETRY_AFTER: Final = {
    "description": "Seconds after which a retry is welcome.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
}


def surface_document(app: FastAPI, envelope: Envelope) -> dict[str, Any]:
    """Return the document of all routes that the application has.

    A route names the statuses of its errors; their body is that of the envelope, and 400 becomes the status
    by which the envelope answers invalid input. FastAPI's own form of an error occurs nowhere.
    """
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for name in (_FRAMEWORK_ERROR, "ValidationError"):
        schemas.pop(name, None)
    error_schema = envelope.model.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas |= error_schema.pop("$defs", {}) | {envelope.model.__name__: error_schema}
    error = {"application/json": {"schema": {"$ref": _SCHEMAS + envelope.model.__name__}}}
    for operation in operations(document):
        answers = operation["responses"]
        if _is_framework_error(answers.get("422", {})):
            del answers["422"]
        if "400" in answers and envelope.invalid != 400:
            del answers["400"]
            answers[str(envelope.invalid)] = {"description": "Invalid input"}
        for status, answer in answers.items():
            if int(status) < 400 or "content" in answer:
                continue
            answer["content"] = error
            if status in _RETRY_LATER:
                answer["headers"] = {"Retry-After": _RETRY_AFTER}
        operation["responses"] = dict(sorted(answers.items()))
    return document


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every operation of a document."""
    for path in document["paths"].values():
        yield from path.values()


def _is_framework_error(answer: dict[str, Any]) -> bool:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref") == _SCHEMAS + _FRAMEWORK_ERROR)
