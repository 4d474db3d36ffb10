"""Lists for spreadsheets and pipes: CSV and NDJSON, asked for by `Accept`."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from fastapi import Response
from pydantic_core import to_json

from schemas.times import format_time

Table = Literal["text/csv", "application/x-ndjson"]

NEXT_CURSOR: Final = "Foldline-Next-Cursor"
_KINDS: Final[tuple[Table, ...]] = ("text/csv", "application/x-ndjson")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def wanted(accept: str) -> Table | None:
    """The table an `Accept` header asks for, if it comes before JSON."""
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind == "application/ndjson":
            return "application/x-ndjson"
        for one in _KINDS:
            if kind == one:
                return one
        if kind in ("application/json", "*/*", "application/*"):
            return None
    return None


def answer(
    table: Table, items: Sequence[Mapping[str, Any]], following: str | None, headers: Mapping[str, str]
) -> Response:
    """The items alone; where the next page begins is in a header."""
    told = dict(headers) | ({NEXT_CURSOR: following} if following else {})
    if table == "application/x-ndjson":
        return Response(b"".join(to_json(item) + b"\n" for item in items), headers=told, media_type=table)
    return Response(_csv(items), headers=told, media_type="text/csv; charset=utf-8")


def _csv(items: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    if items:
        writer = csv.writer(text)
        writer.writerow(items[0])
        writer.writerows([_cell(value) for value in item.values()] for item in items)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list | bool):
        return to_json(value).decode()
    if isinstance(value, datetime):
        return format_time(value)
    # A spreadsheet would run it.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
