"""Subjects: `ev.<site>.<entity>.<id>.<fact>` as published, `ev.<partition>.<site>.…` as stored.

Users always write the published form. JetStream inserts the partition token on the way in
(see `schemas.streams`); reading, getting and purging by subject need the stored form.

Jobs come and go by the million, and the server keeps every subject in memory. Their stored form has a slot,
one of 4,096, instead of the id; the id is in the body.
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
"""A multiple of every number of partitions there may be: a slot lies in one of them."""
SLOTTED: Final = frozenset({"job"})
"""Entities whose stored subjects have a slot instead of the id."""

_REMEMBERED: Final = 8_192  # ids each of the caches below keeps: a sidecar has little memory to spare
_STORED_ENTITY: Final = re.compile(rf"{PREFIX}\.{TOKEN.pattern}" + rf"\.({TOKEN.pattern})" * 3)


class Subject(Struct, frozen=True, gc=False):
    """One fact's address. Every part is one token of `[A-Za-z0-9_-]`, at most 128 characters."""

    site: str
    entity: str
    id: str
    fact: str

    @classmethod
    def parse(cls, subject: str) -> Self:
        """Read a published subject; raises InvalidFact that shows the right form."""
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
        """Read a stored subject (with its partition token); raises InvalidFact."""
        address, _, fact = subject.rpartition(".")
        entity = _stored_entity(address)
        if entity is None or not _is_fact(fact):
            raise InvalidFact(
                "invalid_subject", f"{subject[:200]!r}: a token is too long or not A-Z a-z 0-9 _ -"
            )
        return cls(*entity, fact)

    @property
    def address(self) -> tuple[str, str, str]:
        """(site, entity, id): whose fact it is."""
        return self.site, self.entity, self.id

    def of(self, entity_id: str) -> Self:
        """The same fact of another entity."""
        return replace(self, id=entity_id)

    def __str__(self) -> str:
        return f"{PREFIX}.{self.site}.{self.entity}.{self.id}.{self.fact}"

    def stored(self, partitions: int) -> str:
        """The subject JetStream keeps this fact under."""
        return stored_form(str(self), partitions)


# An entity's facts come again and again, and looking it up costs a tenth of taking its subject apart.
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


# A job's events come one after another, and a pattern costs more than looking it up.
@lru_cache(maxsize=_REMEMBERED)
def token_of(entity_id: str) -> str:
    """The token that stands for an id in subjects: itself, or `h_` and half of its SHA-256 if it cannot."""
    if is_token(entity_id):
        return entity_id
    return hashed(entity_id)


def hashed(text: str) -> str:
    """A token for a text that is none."""
    return f"h_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@lru_cache(maxsize=_REMEMBERED)
def slot_of(token: str) -> str:
    """The token that stands for another one in the stored subjects of a slotted entity."""
    return str(partition_of(token, SLOTS))


@lru_cache(maxsize=_REMEMBERED)
def partition_of(entity_id: str, partitions: int) -> int:
    """The partition of an entity: NATS's own `partition(n, <id token>)`, FNV-1a (32 bit) modulo n.

    Computed here as the server computes it (tested against one), so that reads know where an entity is.
    """
    value = 0x811C9DC5
    for byte in entity_id.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % partitions


def home_of(entity_id: str, partitions: int) -> int:
    """The partition of an entity, whether or not its id is a token."""
    return partition_of(token_of(entity_id), partitions)


def stored_form(subject: str, partitions: int) -> str:
    """From a published subject or filter to the stored one; wildcards in the id give a wildcard partition.

    `ev.local.session.S1.>` → `ev.7.local.session.S1.>`, `ev.*.session.*.state` → `ev.*.*.session.*.state`,
    `ev.fab1.job.J1.>` → `ev.9.fab1.job.1737.>`.
    """
    tokens = subject.split(".")
    if tokens[0] != PREFIX:
        raise InvalidFact("invalid_subject", f"{subject[:200]!r} does not begin with ev.")
    entity_id = tokens[3] if len(tokens) > 3 else "*"
    partition = "*" if entity_id in ("*", ">") else str(partition_of(entity_id, partitions))
    if tokens == [PREFIX, ">"]:
        return f"{PREFIX}.>"
    if len(tokens) > 3 and tokens[2] in SLOTTED and partition != "*":
        tokens[3] = slot_of(entity_id)
    return ".".join([PREFIX, partition, *tokens[1:]])


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
    """From a stored subject back to the one that was published; of a slotted entity with the slot in it."""
    prefix, _partition, rest = stored.split(".", 2)
    return f"{prefix}.{rest}"


def entity_filter(site: str, entity: str, entity_id: str, partitions: int) -> str:
    """All stored subjects of one entity: what expected-last-sequence checks and purges name.

    Of a slotted entity others may be among them.
    """
    return fact_filter(site, entity, entity_id, "*", partitions)


def fact_filter(site: str, entity: str, entity_id: str, fact: str, partitions: int) -> str:
    """The stored subject of one fact of one entity."""
    token = token_of(entity_id)
    address = slot_of(token) if entity in SLOTTED else token
    return f"{PREFIX}.{partition_of(token, partitions)}.{site}.{entity}.{address}.{fact}"
