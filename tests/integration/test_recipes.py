"""The recipes of CONTRIBUTING.md do what they say, in a copy of the program."""

from typing import Final

from tests.support.recipes import ProgramCopy

READ_MODEL: Final = ("tests/contract/test_every_rebuild.py", "tests/integration/test_declared_tables.py")
"""Rebuild and verify on a real line, and the tables that PostgreSQL has."""


def test_add_a_projection(program: ProgramCopy) -> None:
    assert len(program.follow("Add a projection")) <= 4
    program.test(*READ_MODEL, "-k", "crashes")


def test_add_a_column(program: ProgramCopy) -> None:
    assert len(program.follow("Add a column")) <= 2
    program.test(*READ_MODEL, "-k", "jobs")


def test_add_a_reactor(program: ProgramCopy) -> None:
    assert len(program.follow("Add a reactor")) <= 2
    program.test("tests/integration/test_tickets.py", "tests/unit/test_reactor_catalogue.py")
    program.test("tests/integration/test_reactors.py", "-k", "list_and_one")
