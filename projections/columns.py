"""Columns of tables, as PostgreSQL names their types; the columns of a state follow from its fields."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TYPES: Final = MappingProxyType(
    {
        str: "text",
        int: "bigint",
        bool: "boolean",
        float: "double precision",
        datetime: "timestamptz",
        dict: "json",
        list: "json",
    }
)


@dataclass(frozen=True, slots=True)
class SqlType:
    """Annotates a field whose column has another type than its Python type stands for."""

    name: str


@dataclass(frozen=True, slots=True)
class CarriedFrom:
    """Annotates a field: rows carried over from before there was its column take it from this older one."""

    name: str


SmallInt = Annotated[int, SqlType("smallint")]
Integer = Annotated[int, SqlType("integer")]
NO_COLUMN: Final = SqlType("")
"""Annotates a field that is kept with the state in memory and has no column."""


class StoredState(Struct, kw_only=True):
    """A state that has a row: the fields that a subclass adds are columns of its table.

    The first one is `part`, the partition of the row. The type of a column follows from that of the field:
    text, bigint, boolean, double precision, timestamptz, or json for what JSON calls an object or an array.
    `SmallInt` and `Integer` are narrower numbers, a Literal is text, and `| None` makes a column nullable.
    The default of a field is the value of rows that are carried over from before there was the column, unless
    it is `CarriedFrom` another column.
    """

    weight: Annotated[int, NO_COLUMN] = 0  # bytes of its JSON columns, when last read or written


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    `default` is its value in rows carried over from before there was the column; `carried_from` names an
    older column that is taken instead.
    """

    name: str
    type: str
    nullable: bool = False
    default: Any = None
    carried_from: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no column name of ours")
        if self.type == "jsonb":
            raise TypeError(f"{self.name}: jsonb prints numbers in its own way; a document is a json column")
        if self.is_json and self.nullable:
            raise TypeError(f"the JSON column {self.name} may not be null: without a value it is {{}} or []")

    @property
    def is_json(self) -> bool:
        """Whether the column holds a document, which is kept as the text that was written."""
        return self.type == "json"

    @property
    def copied_as(self) -> str:
        """The type under which COPY sends it. JSON travels as text: psycopg would encode it once more."""
        return "text" if self.is_json else self.type

    @property
    def definition(self) -> str:
        """Its line in `create table`."""
        return f"{self.name} {self.type}" if self.nullable else f"{self.name} {self.type} not null"


def columns_of(state: type[StoredState]) -> tuple[Column, ...]:
    """Return the columns of a state, in the order of its fields. Raises TypeError for a type without one."""
    return tuple(_columns(state))


def _columns(state: type[StoredState]) -> Iterator[Column]:
    hints = get_type_hints(state, include_extras=True)
    for field in fields(state):
        nullable, sql_type = _sql_type(hints[field.name])
        if sql_type is None:
            raise TypeError(f"{state.__name__}.{field.name}: no PostgreSQL type for {hints[field.name]}")
        if sql_type == NO_COLUMN.name:
            continue
        factory = field.default_factory
        default = field.default if factory is NODEFAULT else factory()
        yield Column(
            field.name,
            sql_type,
            nullable,
            None if default is NODEFAULT else default,
            _carried_from(hints[field.name]),
        )


def _carried_from(hint: Any) -> str | None:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark.name for mark in marks if isinstance(mark, CarriedFrom)), None)


def _sql_type(hint: Any) -> tuple[bool, str | None]:
    """Return whether a field may be None, and the type of its column."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not type(None)]
        found = _sql_type(kinds[0])[1] if len(kinds) == 1 else None
        return len(kinds) < len(arguments), found
    if origin is Annotated:
        named = [mark.name for mark in arguments[1:] if isinstance(mark, SqlType)]
        nullable, found = _sql_type(arguments[0])
        return nullable, named[0] if named else found
    if origin is Literal:
        return False, "text" if all(isinstance(value, str) for value in arguments) else None
    return False, _TYPES.get(origin or hint)
