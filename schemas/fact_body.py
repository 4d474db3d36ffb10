"""The base of bodies that are pydantic models, and how a fact with such a body is declared."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.family import FactType
from schemas.streams import Stream
from schemas.texts import check_texts, is_plain
from schemas.times import Timestamp


class FactBody(BaseModel):
    """The base of all bodies: strict types (a number is never a string) and an optional time."""

    model_config = ConfigDict(strict=True, extra="ignore")

    timestamp: Timestamp | None = None


Model = TypeVar("Model", bound=FactBody)


def fact_type(
    name: str, stream: Stream, model: type[FactBody], *, unreadable: FactBody | None = None
) -> FactType:
    """Return a fact whose body is described and validated by `model`."""
    return FactType(name, stream, _parser(model), model, model, unreadable)


def _parser(model: type[Model]) -> Callable[[bytes], Model]:
    # `model_validate_json` calls this as well, by a detour that costs as much as a small body.
    validate: Callable[[bytes], Model] = model.__pydantic_validator__.validate_json

    def parse(body: bytes) -> Model:
        found = validate(body)
        if not is_plain(body):
            check_texts(model, vars(found))
        return found

    return parse
