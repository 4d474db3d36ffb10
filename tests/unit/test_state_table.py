"""A table of states: its lists of columns, and how a state becomes a row and a row a state."""

from datetime import UTC, datetime
from typing import Any

import pytest

from projections.columns import Column, SmallInt, StoredState
from projections.state_table import StateTable

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Batch(StoredState):
    """A state with a value that is computed of it."""

    part: SmallInt
    document: dict[str, Any]
    at: datetime
    name: str | None
    tags: list[str]

    @property
    def length(self) -> int:
        """How many tags there are."""
        return len(self.tags)


BATCH = StateTable("batch", Batch, subkey="sub", computed=[Column("length", "bigint")])
STATE = Batch(7, {"a": 1}, NOON, None, ["x", "y"])


def test_the_first_field_of_a_state_is_its_partition() -> None:
    class NoPart(StoredState):
        """A state that says nothing of its partition."""

        number: int

    with pytest.raises(TypeError, match=r"NoPart.*`part`"):
        StateTable("none", NoPart)


def test_lists_of_columns() -> None:
    assert [column.name for column in BATCH.columns] == [
        *("part", "site", "id", "sub", "document", "at", "name", "tags", "length"),
    ]
    document, tags = (f"case when before < %(most)s then {name}::text end" for name in ("document", "tags"))
    assert BATCH.lists["loaded"] == f"site, id, sub, part, {document}, at, name, {tags}"
    assert BATCH.lists["size"] == "0 + octet_length(document::text) + octet_length(tags::text)"
    assert BATCH.lists["stored"] == "site, id, sub, part, at, name, length, document, tags"
    assert BATCH.lists["batch_types"].endswith("length bigint, document json, tags json")
    assert BATCH.lists["updated"].startswith("part = excluded.part, at = excluded.at")
    assert BATCH.copied_types == [
        "text",
        "text",
        "text",
        "smallint",
        "timestamptz",
        "text",
        "bigint",
        "text",
        "text",
    ]


@pytest.mark.parametrize(("key", "sub"), [(("fab1", "B1"), ""), (("fab1", "B1", "s"), "s")])
def test_a_state_and_its_row(key: tuple[str, ...], sub: str) -> None:
    row = BATCH.row(key, STATE)
    assert row == ("fab1", "B1", sub, 7, NOON, None, 2, '{"a":1}', '["x","y"]')
    assert BATCH.loaded(("fab1", "B1", sub, 7, '{"a": 1}', NOON, None, '["x", "y"]')) == (
        key,
        Batch(7, {"a": 1}, NOON, None, ["x", "y"], weight=18),
    )


def test_a_state_with_nothing_but_a_document() -> None:
    class Document(StoredState):
        """The least that a row has beside its key."""

        part: SmallInt
        document: dict[str, Any]

    table = StateTable("document", Document)
    assert table.row(("fab1", "D1"), Document(7, {})) == ("fab1", "D1", 7, "{}")


def test_the_weight_of_a_state_grows_with_its_documents() -> None:
    small, large = (Batch(7, {"a": "x" * size}, NOON, None, []) for size in (1, 10_000))
    for state in (small, large):
        BATCH.row(("fab1", "B1"), state)
    assert BATCH.weight(large) > BATCH.weight(small) + 10_000
