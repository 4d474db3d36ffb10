"""Subjects: `ev.<site>.<entity>.<id>.<fact>` as published, `ev.<partition>.<site>.…` as stored.

Users always write the published form. JetStream inserts the partition token when it stores a message (see
`schemas.streams`); reading, getting and purging by subject need the stored form (`schemas.stored_subjects`).
"""

import hashlib
import re
from functools import lru_cache
from typing import Final, Self

from msgspec import Struct
from msgspec.structs import replace

from schemas.validation import InvalidFact

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
PREFIX: Final = "ev"
SLOTS: Final = 4096
"""The number of slots, a multiple of every allowed number of partitions: a slot lies in one of them."""

_CACHED_IDS: Final = 8_192  # in each cache below: a sidecar has little memory to spare
_STORED_ENTITY: Final = re.compile(rf"{PREFIX}\.{TOKEN.pattern}" + rf"\.({TOKEN.pattern})" * 3)


class Subject(Struct, frozen=True, gc=False):
    """The address of a fact. Every part is one token of `[A-Za-z0-9_-]`, at most 128 characters."""

    site: str
    entity: str
    id: str
    fact: str

    @classmethod
    def parse(cls, subject: str) -> Self:
        """Read a published subject. Raises InvalidFact, which shows the right form."""
        tokens = subject.split(".")
        if len(tokens) != 5 or tokens[0] != PREFIX or not all(map(is_token, tokens[1:])):
            raise InvalidFact(
                "invalid_subject",
                f"{subject[:200]!r} is not ev.<site>.<entity>.<id>.<fact> "
                "with tokens of A-Z a-z 0-9 _ - up to 128 characters",
            )
        return cls(*tokens[1:])

    @classmethod
    def parse_stored(cls, subject: str) -> Self:
        """Read a stored subject, which has a partition token. Raises InvalidFact."""
        address, _, fact = subject.rpartition(".")
        entity = _stored_entity(address)
        if entity is None or not _is_fact(fact):
            raise InvalidFact(
                "invalid_subject", f"{subject[:200]!r}: a token is too long or not A-Z a-z 0-9 _ -"
            )
        return cls(*entity, fact)

    @property
    def address(self) -> tuple[str, str, str]:
        """The entity that the fact belongs to: (site, entity, id)."""
        return self.site, self.entity, self.id

    def of(self, entity_id: str) -> Self:
        """Return the subject of the same fact of another entity."""
        return replace(self, id=entity_id)

    def __str__(self) -> str:
        return f"{PREFIX}.{self.site}.{self.entity}.{self.id}.{self.fact}"


# Facts of the same entity come again and again: a look-up costs a tenth of matching the subject.
@lru_cache(maxsize=32_768)
def _stored_entity(address: str) -> tuple[str, str, str] | None:
    match = _STORED_ENTITY.fullmatch(address)
    return None if match is None else (match[1], match[2], match[3])


@lru_cache(maxsize=256)
def _is_fact(token: str) -> bool:
    return is_token(token)


def is_token(text: str) -> bool:
    """Whether `text` can be one token of a subject."""
    return TOKEN.fullmatch(text) is not None


# Events of the same job follow each other: a look-up costs less than matching the pattern.
@lru_cache(maxsize=_CACHED_IDS)
def token_of(entity_id: str) -> str:
    """Return the token for an id in subjects: the id itself, or its hash if it is no token."""
    if is_token(entity_id):
        return entity_id
    return hashed(entity_id)


def hashed(text: str) -> str:
    """Return a token for any text: `h_` and the first 32 hex digits of its SHA-256."""
    return f"h_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@lru_cache(maxsize=_CACHED_IDS)
def slot_of(entity_id: str) -> str:
    """Return the slot that stands for an id in the stored subjects of a slotted entity."""
    return str(partition_of(token_of(entity_id), SLOTS))


@lru_cache(maxsize=_CACHED_IDS)
def partition_of(entity_id: str, partitions: int) -> int:
    """Return the partition of a token: NATS's own `partition(n, <id token>)`, FNV-1a (32 bit) modulo n.

    It is computed here as the server does it (a test compares them), so that reads know where an entity is.
    """
    value = 0x811C9DC5
    for byte in entity_id.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % partitions


def home_of(entity_id: str, partitions: int) -> int:
    """Return the partition of an entity; its id may be any text."""
    return partition_of(token_of(entity_id), partitions)


def overlaps(one: str, other: str) -> bool:
    """Whether a subject can match both filters (`*` is one token, `>` all that follow)."""
    ones, others = one.split("."), other.split(".")
    for left, right in zip(ones, others, strict=False):
        if ">" in (left, right):
            return True
        if left != right and "*" not in (left, right):
            return False
    return len(ones) == len(others)


def published_form(stored: str) -> str:
    """Return the published form of a stored subject; a slotted entity's has the slot in place of the id."""
    prefix, _partition, rest = stored.split(".", 2)
    return f"{prefix}.{rest}"
