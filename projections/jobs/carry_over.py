"""Jobs older than the line: nothing can fold them again, so their rows go from generation to generation."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import to_json

from projections.projection import Key
from runtime.database.connections import Connection
from runtime.database.queries import load_queries
from schemas.streams import Stream

AT_ONCE: Final = 1_000


def first_by_site(streams: Sequence[Stream], firsts: Mapping[str, int]) -> str:
    """The first sequence there is, as the statements take it: of a site's own stream for every site."""
    rows = [
        {"site": stream.origin[0] if stream.origin else None, "first": firsts.get(stream.name, 0)}
        for stream in streams
    ]
    return to_json(rows).decode()


async def carry(conn: Connection, source: str, schema: str, firsts: str) -> list[Key]:
    """Copy rows of aged jobs from one schema to another that is empty; which jobs they are."""
    queries = load_queries("projections.jobs", "carry_over.sql", schema=schema)
    for name in ("carry-entities", "carry-events", "carry-apps"):
        statement = queries[name].replace(b"{source}", f'"{source}"'.encode())
        await conn.execute(statement, {"firsts": firsts})
    return [(site, id_) async for site, id_ in await conn.execute(queries["carried"])]


async def is_aged(conn: Connection, schema: str, key: Key, firsts: str) -> bool:
    """Whether some of a job has left the line."""
    queries = load_queries("projections.jobs", "carry_over.sql", schema=schema)
    values = {"firsts": firsts, "site": key[0], "id": key[1]}
    row = await (await conn.execute(queries["is-aged"], values)).fetchone()
    return row is not None and bool(row[0])
