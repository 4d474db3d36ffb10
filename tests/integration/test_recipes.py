"""The recipes of CONTRIBUTING.md do what they say, in a copy of the program."""

from typing import Final

from tests.support.recipes import ProgramCopy

READ_MODEL: Final = ("tests/contract/test_every_rebuild.py", "tests/integration/test_declared_tables.py")
"""Rebuild and verify on a real line, and the tables that PostgreSQL has."""


def test_add_a_fact(program: ProgramCopy) -> None:
    assert len(program.follow("Add a fact")) <= 2
    program.test(  # one run: each starts servers of its own
        "tests/integration/test_archived.py",
        "tests/unit/test_registry.py",
        "tests/contract/test_every_projection.py",
        "-k",
        "archived or registry or sessions and (split or files or of_the_fold or it_folds) or drawn",
    )
    assert "ev.{site}.session.{id}.archived" in program.run("-m", "foldline", "asyncapi")


def test_add_a_surface(program: ProgramCopy) -> None:
    assert len(program.follow("Add a surface")) <= 2
    assert "--count-port" in program.run("-m", "foldline", "up", "--help")
    assert "count_sessions" in program.run("-m", "foldline", "openapi", "count")
    (program.folder / "docs" / "settings.md").write_text(program.run("-m", "foldline.settings_docs"))
    program.run("-m", "foldline.compose_ports")
    program.test(
        "tests/integration/test_count.py", "tests/unit/test_surfaces.py", "tests/unit/test_settings_docs.py"
    )


def test_add_a_setting(program: ProgramCopy) -> None:
    assert len(program.follow("Add a setting")) <= 1
    told = program.run("-m", "foldline.settings_docs")
    assert "| `FOLDLINE_READ_TIMEOUT` | number, > 0, ≤ 1000000000.0 | `30.0` |" in told


def test_add_a_metric(program: ProgramCopy) -> None:
    assert len(program.follow("Add a metric")) <= 1
    program.run("-c", "from runtime.metrics import LARGEST_BATCH; LARGEST_BATCH.labels('jobs').set(1)")


def test_add_a_projection(program: ProgramCopy) -> None:
    assert len(program.follow("Add a projection")) <= 4
    program.test(*READ_MODEL, "-k", "crashes")


def test_add_a_column(program: ProgramCopy) -> None:
    assert len(program.follow("Add a column")) <= 2
    program.test(*READ_MODEL, "-k", "jobs")


def test_add_a_reactor(program: ProgramCopy) -> None:
    assert len(program.follow("Add a reactor")) <= 2
    program.test(
        "tests/integration/test_tickets.py",
        "tests/unit/test_reactor_catalogue.py",
        "tests/integration/test_reactors.py",
        "-k",
        "tickets or catalogue or list_and_one",
    )
