"""Columns follow from the fields of a state."""

from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from msgspec import field

from projections.columns import CarriedFrom, Column, Integer, SmallInt, StoredState, columns_of


class Everything(StoredState):
    """One field of every kind."""

    part: SmallInt
    number: int
    share: float | None
    small: Integer | None
    at: datetime
    since: Annotated[datetime, CarriedFrom("at")]
    sure: bool
    status: Literal["open", "closed"]
    document: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=lambda: ["a"])
    text: str = "none"


def test_types_nullability_and_defaults_follow_from_the_fields() -> None:
    assert columns_of(Everything) == (
        Column("part", "smallint"),
        Column("number", "bigint"),
        Column("share", "double precision", nullable=True),
        Column("small", "integer", nullable=True),
        Column("at", "timestamptz"),
        Column("since", "timestamptz", carried_from="at"),
        Column("sure", "boolean"),
        Column("status", "text"),
        Column("document", "json", default={}),
        Column("names", "json", default=["a"]),
        Column("text", "text", default="none"),
    )


@pytest.mark.parametrize("kind", [bytes, int | str, Literal[1, 2], tuple[int, int], Any])
def test_a_type_without_a_column_is_refused_by_name(kind: Any) -> None:
    odd = type("Odd", (StoredState,), {"__annotations__": {"part": SmallInt, "field": kind}})
    with pytest.raises(TypeError, match=r"Odd\.field: no PostgreSQL type"):
        columns_of(odd)


def test_a_json_column_is_never_null() -> None:
    with pytest.raises(TypeError, match="may not be null"):
        Column("document", "json", nullable=True)


def test_a_document_is_kept_as_it_was_written() -> None:
    with pytest.raises(TypeError, match="document: jsonb prints numbers"):
        Column("document", "jsonb")


@pytest.mark.parametrize("name", ["", "Upper", 'quo"te', "semi;colon", "1st", "x" * 64])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no column name"):
        Column(name, "text")
