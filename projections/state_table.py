"""Tables of states: one row a state, whose columns are the fields of its class."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from pydantic_core import from_json

from projections.binary_copy import json_text
from projections.columns import Column, StoredState, columns_of
from projections.projection import StateKey, TooMuchAtOnce
from projections.table import Table, listed

Stored = TypeVar("Stored", bound=StoredState)
Row = tuple[Any, ...]

PART: Final = "part"
FIRST_SEQUENCE: Final = "first_seq"
"""The field with the sequence of an entity's first event, for a state that keeps it."""
_OBJECT: Final = 500  # bytes of a state beside its columns, and of a column beside JSON
_COLUMN: Final = 50
_EMPTY: Final[dict[type, str]] = {dict: "{}", list: "[]"}


class StateTable(Table, Generic[Stored]):
    """The table of a state: partition, key, the other fields of `state`, and what is `computed` of them.

    The key of a row is site and id of its entity, and the `subkey` if there is one, which is empty in the row
    of the entity itself. A computed column is written from the attribute of its name and never loaded.
    """

    def __init__(
        self,
        name: str,
        state: type[Stored],
        *,
        subkey: str | None = None,
        computed: Sequence[Column] = (),
    ) -> None:
        part, *others = fields = columns_of(state)
        if part.name != PART:
            raise TypeError(f"the first field of {state.__name__} is {part.name}: it has to be `{PART}`")
        key = [Column(column, "text") for column in ("site", "id", subkey) if column is not None]
        super().__init__(name, [part, *key, *others, *computed], key=[column.name for column in key])
        documents = [column for column in fields if column.is_json]
        plain = [column for column in (*fields, *computed) if not column.is_json]
        stored = [*key, *plain, *documents]
        self.state = state
        self.copied_types = [column.copied_as for column in stored]
        self.lists |= {
            "loaded": listed([*self.key, *(_as_text(column) for column in fields)]),
            "size": " + ".join(["0", *(f"octet_length({column.name}::text)" for column in documents)]),
            "key_types": listed(f"{column.name} {column.type}" for column in key),
            "batch_types": listed(f"{column.name} {column.type}" for column in stored),
            "stored": listed(column.name for column in stored),
            "updated": listed(
                f"{column.name} = excluded.{column.name}" for column in stored if column not in key
            ),
        }
        self.lists["whole"] = f"t.{subkey} = ''" if subkey else "true"
        self.tells_beginnings = any(column.name == FIRST_SEQUENCE for column in fields)
        self._key_columns = len(key)
        self._plain = _values_of(plain)
        self._documents = [attrgetter(column.name) for column in documents]
        self._places = [place for place, column in enumerate(fields) if column.is_json]
        self._weight = _OBJECT + _COLUMN * len(fields)

    def full_key(self, key: StateKey) -> StateKey:
        """Return the key of a state as its row has it."""
        return key if len(key) == self._key_columns else (*key, "")

    def row(self, key: StateKey, state: Stored) -> Row:
        """Return the row of a state as COPY takes it."""
        weight = 0
        texts = []
        for document in self._documents:
            value = document(state)
            text = json_text(value) if value else _EMPTY[type(value)]
            weight += len(text)
            texts.append(text)
        state.weight = weight
        key = key if len(key) == self._key_columns else (*key, "")
        return (*key, *self._plain(state), *texts)

    def loaded(self, row: Row) -> tuple[StateKey, Stored]:
        """Return the key and the state of a row of `load-states`. Raises TooMuchAtOnce where it was cut."""
        key, columns = row[: self._key_columns], list(row[self._key_columns :])
        weight = 0
        for place in self._places:
            text = columns[place]
            if text is None:
                raise TooMuchAtOnce(f"{self.name}: states of this size are not loaded together")
            weight += len(text)
            columns[place] = from_json(text)
        state = self.state(*columns)
        state.weight = weight
        return key if key[-1] else key[:-1], state

    def weight(self, state: Stored) -> int:
        """Return roughly the bytes of a state that was loaded or written."""
        return self._weight + 4 * state.weight  # Python objects take several times their JSON


def _values_of(columns: Sequence[Column]) -> Callable[[Any], Row]:
    values = attrgetter(*(column.name for column in columns))
    return values if len(columns) > 1 else lambda state: (values(state),)


def _as_text(column: Column) -> str:
    name = column.name
    return f"case when before < %(most)s then {name}::text end" if column.is_json else name
