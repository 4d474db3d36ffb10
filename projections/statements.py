"""Read statements of one schema, composed from its `read.sql` and other files, and the common fragments."""

import re
from typing import Any, Final

from runtime.database.connections import Connection
from runtime.database.queries import load_queries

_MARK: Final = re.compile(rb"\{([a-z-]+)\}")


class Statements:
    """Composes statements; `{fragment}` stands for another query of the files, or for a part given."""

    def __init__(self, package: str, schema: str, *more_files: str) -> None:
        self._queries = {
            **load_queries("runtime.database.engine", "read_fragments.sql", schema=schema).all,
        }
        for file in ("read.sql", *more_files):
            self._queries |= load_queries(package, file, schema=schema).all

    def compose(self, name: str, **parts: str) -> bytes:
        """Return one statement. `parts` are SQL of our own and never come from a request."""

        def fill(mark: re.Match[bytes]) -> bytes:
            key = mark[1].decode()
            return _MARK.sub(fill, parts[key].encode() if key in parts else self._queries[key])

        return _MARK.sub(fill, self._queries[name])


async def only_row(
    conn: Connection, statement: bytes, values: dict[str, Any], *, prepare: bool = False
) -> Any:
    """Return the row of a statement that always has one.

    `prepare` keeps its plan with the connection, where the connection allows that: worth it for reads that
    find their rows by key, whose planning costs several times their execution.
    """
    return await (await conn.execute(statement, values, prepare=prepare)).fetchone()
