"""Carry-over: jobs older than the line cannot be folded again, so a new generation takes over their rows."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import to_json

from projections.carried_columns import carried_columns
from projections.jobs.rows import ATTEMPT, EVENT
from projections.jobs.state import ENTITY
from projections.projection import Key
from runtime.database.connections import Connection
from runtime.database.queries import fill, load_queries
from schemas.streams import Stream

COUNTED_AT_ONCE: Final = 1_000


def first_sequences_by_site(streams: Sequence[Stream], first_sequences: Mapping[str, int]) -> str:
    """Return the first sequences as the statements take them: of a site's own stream for every site."""
    rows = [
        {"site": stream.origin[0] if stream.origin else None, "first": first_sequences.get(stream.name, 0)}
        for stream in streams
    ]
    return to_json(rows).decode()


async def carry_over(conn: Connection, source: str, schema: str, by_site: str) -> list[Key]:
    """Copy the rows of aged jobs from the schema `source` to another that is empty, and return their keys."""
    queries = load_queries("projections.jobs", "carry_over.sql", schema=schema)
    for name, table in (("carry-entities", ENTITY), ("carry-events", EVENT), ("carry-attempts", ATTEMPT)):
        columns, defaults = await carried_columns(conn, table, source)
        if len(defaults) == len(table.columns):
            continue  # an older generation has no such table
        statement = fill(queries[name].decode(), schema, columns | {"source": f'"{source}"'})
        await conn.execute(statement.encode(), defaults | {"first_sequences": by_site})
    await conn.execute(queries["carry-apps"])
    return [(site, id_) async for site, id_ in await conn.execute(queries["carried"])]


async def is_aged(conn: Connection, schema: str, key: Key, by_site: str) -> bool:
    """Whether some of a job has left the line."""
    queries = load_queries("projections.jobs", "carry_over.sql", schema=schema)
    values = {"first_sequences": by_site, "site": key[0], "id": key[1]}
    row = await (await conn.execute(queries["is-aged"], values)).fetchone()
    return row is not None and bool(row[0])
