"""The engine's tables beside every read model: declared as they are created."""

import re

from runtime.database.engine.generation_tables import ENGINE_TABLES
from runtime.database.queries import read_sql


def test_the_declared_tables_are_those_that_are_created() -> None:
    text = read_sql("runtime.database.engine", "generation_tables.sql")
    created = re.findall(r"^create table \{schema\}\.(\w+)", text, re.MULTILINE)
    assert [table.name for table in ENGINE_TABLES] == created


def test_only_the_number_of_the_generation_is_no_fold() -> None:
    assert [table.name for table in ENGINE_TABLES if not table.folded] == ["generation"]
