"""Texts that queries filter by: bounded in bytes, so that an index can hold them.

pydantic counts characters, which is right for most bodies and costs nothing. Only a body that could hold
others than plain ones is looked at once more, by `check_texts`: a callback for every field would take as
long as everything else that validating does.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from schemas.validation import BACKSLASH, MAX_INDEXED_BYTES, InvalidFact

_DELETE: Final = 0x7F


@dataclass(frozen=True, slots=True)
class Exactly:
    """Marks a field for `check_texts`."""

    printable: bool = False

    def problem(self, text: str) -> str | None:
        """What is wrong with a text, if anything."""
        if len(text.encode()) > MAX_INDEXED_BYTES:
            return f"at most {MAX_INDEXED_BYTES} bytes are allowed"
        return "control characters are not allowed" if self.printable and not text.isprintable() else None


IndexedText = Annotated[str, Field(max_length=MAX_INDEXED_BYTES), Exactly()]
"""Text of up to 512 bytes."""
Name = Annotated[str, Field(min_length=1, max_length=MAX_INDEXED_BYTES), Exactly()]
"""The same, and not empty."""
EntityId = Annotated[str, Field(min_length=1, max_length=MAX_INDEXED_BYTES), Exactly(printable=True)]
"""Any printable text of up to 512 bytes: ids need not be UUIDs."""


def is_plain(body: bytes) -> bool:
    """Whether every text in a JSON body is printable ASCII, whose characters are its bytes."""
    return body.isascii() and BACKSLASH not in body and _DELETE not in body


def check_texts(model: BaseModel, where: str = "") -> None:
    """Check what pydantic did not, in this model and those in it. Raises InvalidFact."""
    for name, exactly in _fields(type(model)):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            check_texts(value, f"{where}{name}.")
        elif exactly is not None and value is not None and (problem := exactly.problem(value)):
            raise InvalidFact("invalid_field", f"{where}{name}: {problem}")


@cache
def _fields(model: type[BaseModel]) -> list[tuple[str, Exactly | None]]:
    return [(name, _marker(field)) for name, field in model.model_fields.items()]


def _marker(field: FieldInfo) -> Exactly | None:
    kinds: Final[tuple[Any, ...]] = (*field.metadata, *get_args(field.annotation))
    inside = (part for kind in kinds for part in (kind, *getattr(kind, "__metadata__", ())))
    return next((part for part in inside if isinstance(part, Exactly)), None)
