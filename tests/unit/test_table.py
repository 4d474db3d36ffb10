"""Tables are declared by their columns and a key."""

import pytest

from projections.columns import Column
from projections.table import RowTable


def test_a_key_is_of_columns_that_are_there_and_never_null() -> None:
    columns = [Column("seq", "bigint"), Column("name", "text", nullable=True)]
    with pytest.raises(ValueError, match=r"\['name', 'place'\]"):
        RowTable("rows", columns, key=("seq", "name", "place"))
