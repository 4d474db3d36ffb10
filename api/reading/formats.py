"""Formats of lists beside JSON: CSV for spreadsheets and NDJSON for pipes, asked for by `Accept`."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from fastapi import Response
from pydantic_core import to_json

from api.reading.cursor import NEXT_CURSOR
from schemas.times import format_time

Format = Literal["text/csv", "application/x-ndjson"]

TABLES: Final[Mapping[Format, Mapping[str, Any]]] = {
    "text/csv": {
        "type": "string",
        "description": "A line of names, then a line for each item. A text that a spreadsheet could run has"
        " `'` in front (=, +, -, @, tab, line break, and `'` itself): take one away to have what was sent.",
    },
    "application/x-ndjson": {"type": "string", "description": "A line of JSON for each item."},
}
"""The formats as OpenAPI describes them."""

_FORMATS: Final[Mapping[str, Format]] = {
    "text/csv": "text/csv",
    "application/x-ndjson": "application/x-ndjson",
    "application/ndjson": "application/x-ndjson",
}
_JSON: Final = ("application/json", "*/*", "application/*")
# What a spreadsheet may run, in full width as well; and our own mark, so that taking away one `'` brings back
# every text.
_GUARDED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")


def requested_format(accept: str) -> Format | None:
    """The first format an `Accept` header names; None when JSON comes before it, or nothing we know."""
    for part in accept.split(","):
        media_type = part.partition(";")[0].strip().lower()
        if media_type in _FORMATS:
            return _FORMATS[media_type]
        if media_type in _JSON:
            return None
    return None


def list_response(
    format_: Format,
    names: Iterable[str],
    items: Iterable[Mapping[str, Any]],
    next_cursor: str | None,
    headers: Mapping[str, str],
) -> Response:
    """Answer with the items alone, which have the fields `names`; the next cursor is in a header."""
    headers = dict(headers) | ({NEXT_CURSOR: next_cursor} if next_cursor else {})
    if format_ == "application/x-ndjson":
        lines = b"".join(to_json(item) + b"\n" for item in items)
        return Response(lines, headers=headers, media_type=format_)
    return Response(_csv(names, items), headers=headers, media_type="text/csv; charset=utf-8")


def _csv(names: Iterable[str], items: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in item.values()] for item in items)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list | bool):
        return to_json(value).decode()
    if isinstance(value, datetime):
        return format_time(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_GUARDED) else value
