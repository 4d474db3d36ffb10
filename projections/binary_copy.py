"""Binary COPY: the way of rows into a table that costs either side less than any other."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec.json import Encoder

from runtime.database.connections import Connection

_encode: Final = Encoder().encode


def json_text(value: Any) -> str:
    """Return JSON of anything a body may hold, as COPY takes it, in half the time that pydantic needs."""
    return _encode(value).decode()


def json_size(value: Any) -> int:
    """Return the bytes of the JSON of anything a body may hold."""
    return len(_encode(value))


async def copy_rows(conn: Connection, query: bytes, types: Sequence[str], rows: Iterable[Any]) -> None:
    """Add new rows straight to a table. `types` are the exact types of the columns, by name."""
    async with conn.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(types)
        add = copy.formatter.write_row
        for row in rows:
            if full := add(row):  # now and then; `copy.write_row` is a coroutine for each
                await copy.write(full)
