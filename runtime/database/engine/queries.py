"""The queries over the engine's own tables, from all `.sql` files of this folder."""

from functools import cache
from importlib.resources import files
from typing import Final

from runtime.database.queries import Queries

_NO_QUERIES: Final = {"tables.sql", "generation_tables.sql", "read_fragments.sql"}


@cache
def engine_queries(schema: str = "foldline") -> Queries:
    """Return every named query over engine tables.

    `schema` is that of a generation, for queries over the tables which the engine keeps beside each read
    model. Queries over the schema `foldline`, which all projections share, need none.
    """
    folder = files(__package__ or "")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    texts = (folder.joinpath(name).read_text() for name in names if name not in _NO_QUERIES)
    return Queries("\n".join(texts), schema)
