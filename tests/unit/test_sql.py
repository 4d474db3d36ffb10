"""Named SQL."""

import re
from pathlib import Path

import pytest

from runtime.database.queries import Queries, in_schema

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "projections", "producers", "consumers", "api", "foldline")
TEXT = """\
-- name: first-one
-- What it is for.
select 1 from {schema}.t -- not a name: x

-- name: second
-- Two lines
-- of description.
select 2
"""


def test_queries_by_name_in_a_schema() -> None:
    queries = Queries(TEXT, "blue")
    assert dict(queries.all) == {
        "first-one": b'select 1 from "blue".t -- not a name: x',
        "second": b"select 2",
    }
    assert queries["second"] == b"select 2"
    with pytest.raises(KeyError):
        queries["third"]


def test_marks_stand_for_parts_of_statements() -> None:
    text = "-- name: one\n-- Fills marks.\nselect {columns} from {schema}.{table} where {where}"
    queries = Queries(text, "blue", {"columns": "a, b", "table": "t"})
    assert queries["one"] == b'select a, b from "blue".t where {where}'


@pytest.mark.parametrize("schema", ["", "Upper", 'quo"te', "semi;colon", "1st", "x" * 64])
def test_odd_schema_names_are_refused(schema: str) -> None:
    with pytest.raises(ValueError, match="no schema name"):
        in_schema("{schema}", schema)


def sql_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.sql"))]


def test_there_are_sql_files() -> None:
    assert len(sql_files()) > 5


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_named_query_is_described(path: Path) -> None:
    text = path.read_text()
    names = re.findall(r"^-- name: (.*)$", text, re.MULTILINE)
    if path.name in ("schema.sql", "tables.sql", "generation_tables.sql"):  # one script, run as a whole
        assert not names
        assert text.startswith("-- ")
        return
    assert names
    assert len(names) == len(set(names))
    assert list(Queries(text, "any").all) == names
    assert all(query for query in Queries(text, "any").all.values())
