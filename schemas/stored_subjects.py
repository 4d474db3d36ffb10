"""Stored subjects and filters of them: `ev.<partition>.<site>.…`, with a slot where the family has slots."""

from typing import Final

from schemas.registry import DECLARED
from schemas.subjects import PREFIX, partition_of, slot_of, token_of
from schemas.validation import InvalidFact

_SLOTTED: Final = DECLARED.slotted


def stored_form(subject: str, partitions: int) -> str:
    """Return the stored form of a published subject or filter; a wildcard id gives a wildcard partition.

    `ev.local.session.S1.>` → `ev.7.local.session.S1.>`, `ev.*.session.*.state` → `ev.*.*.session.*.state`,
    `ev.fab1.job.J1.>` → `ev.9.fab1.job.1737.>`. Raises InvalidFact for a subject without `ev.`.
    """
    tokens = subject.split(".")
    if tokens[0] != PREFIX:
        raise InvalidFact("invalid_subject", f"{subject[:200]!r} does not begin with ev.")
    entity_id = tokens[3] if len(tokens) > 3 else "*"
    partition = "*" if entity_id in ("*", ">") else str(partition_of(entity_id, partitions))
    if tokens == [PREFIX, ">"]:
        return f"{PREFIX}.>"
    if len(tokens) > 3 and tokens[2] in _SLOTTED and partition != "*":
        tokens[3] = slot_of(entity_id)
    return ".".join([PREFIX, partition, *tokens[1:]])


def entity_filter(site: str, entity: str, entity_id: str, partitions: int) -> str:
    """Return the filter of all stored subjects of an entity, for expected-last-sequence checks and purges.

    The filter of a slotted entity may match other entities as well.
    """
    return fact_filter(site, entity, entity_id, "*", partitions)


def fact_filter(site: str, entity: str, entity_id: str, fact: str, partitions: int) -> str:
    """Return the stored subject of one fact of an entity."""
    token = token_of(entity_id)
    address = slot_of(entity_id) if entity in _SLOTTED else token
    return f"{PREFIX}.{partition_of(token, partitions)}.{site}.{entity}.{address}.{fact}"
