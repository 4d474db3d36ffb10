"""Named queries, kept in `.sql` files: each stands under `-- name: …` and a description."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

_NAME: Final = re.compile(r"^-- name: ([a-z0-9-]+)\n(-- .+\n)+", re.MULTILINE)
_NO_MARKS: Final[Mapping[str, str]] = MappingProxyType({})


class Queries:
    """Queries by name, for one schema; their text is filled as `fill` says."""

    def __init__(self, text: str, schema: str, marks: Mapping[str, str] = _NO_MARKS) -> None:
        text = fill(text, schema, marks)
        names = list(_NAME.finditer(text))
        ends = [name.start() for name in names[1:]] + [len(text)]
        self.schema = schema
        self.all = MappingProxyType(
            {name[1]: text[name.end() : end].strip().encode() for name, end in zip(names, ends, strict=True)}
        )

    def __getitem__(self, name: str) -> bytes:
        return self.all[name]


def in_schema(text: str, schema: str) -> str:
    """Fill in `{schema}`. Raises ValueError for a name that would need escaping: ours never do."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
        raise ValueError(f"{schema!r} is no schema name of ours")
    return text.replace("{schema}", f'"{schema}"')


def fill(text: str, schema: str, marks: Mapping[str, str]) -> str:
    """Fill in `{schema}`, and each `{mark}` with SQL of our own. Other braces stay."""
    for mark, sql in marks.items():
        text = text.replace(f"{{{mark}}}", sql)
    return in_schema(text, schema)


def columns_of(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Turn rows into columns, as a statement with `unnest` takes them. There is at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def load_queries(package: str, file: str, *, schema: str, marks: Mapping[str, str] = _NO_MARKS) -> Queries:
    """Read the queries of a `.sql` file that lies beside the modules of `package`."""
    return Queries(read_sql(package, file), schema, marks)


def has_sql(package: str, file: str) -> bool:
    """Whether a `.sql` file lies beside the modules of `package`."""
    return files(package).joinpath(file).is_file()


def read_sql(package: str, file: str) -> str:
    """Return the text of a `.sql` file that lies beside the modules of `package`."""
    return files(package).joinpath(file).read_text()
