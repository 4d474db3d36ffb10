"""JSON answers and their position header. Read models serve JSON: nothing is encoded twice."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from runtime.http.waits import POSITION


def json_response(
    body: bytes, position: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON that is encoded already, and the position it reflects."""
    return Response(body, media_type="application/json", headers=with_position(position, headers))


def encoded_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a value, encoded as JSON."""
    return Response(to_json(value), status, media_type="application/json", headers=headers)


def with_position(position: str | None, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Response headers with the position, if there is one: a read model that folded nothing has none."""
    return {**(headers or {}), **({POSITION: position} if position else {})}
