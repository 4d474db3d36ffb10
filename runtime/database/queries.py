"""Named queries, kept in `.sql` files: each stands under `-- name: …` and a description."""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

_NAME: Final = re.compile(r"^-- name: ([a-z0-9-]+)\n(-- .+\n)+", re.MULTILINE)


class Queries:
    """Queries by name, for one schema: `{schema}` in their text stands for its quoted name."""

    def __init__(self, text: str, schema: str) -> None:
        text = in_schema(text, schema)
        marks = list(_NAME.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        self.schema = schema
        self.all = MappingProxyType(
            {mark[1]: text[mark.end() : end].strip().encode() for mark, end in zip(marks, ends, strict=True)}
        )

    def __getitem__(self, name: str) -> bytes:
        return self.all[name]


def in_schema(text: str, schema: str) -> str:
    """Fill in `{schema}`. Raises ValueError for a name that would need escaping: ours never do."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        raise ValueError(f"{schema!r} is no schema name of ours")
    return text.replace("{schema}", f'"{schema}"')


def columns_of(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Turn rows into columns, as a statement with `unnest` takes them. There is at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def load_queries(package: str, file: str, *, schema: str) -> Queries:
    """Read the queries of a `.sql` file that lies beside the modules of `package`."""
    return Queries(read_sql(package, file), schema)


def read_sql(package: str, file: str) -> str:
    """Return the text of a `.sql` file that lies beside the modules of `package`."""
    return files(package).joinpath(file).read_text()
