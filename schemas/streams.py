"""Streams: what is declared of each one, and its configuration as the JetStream API takes it.

Which facts a stream binds is not said here: each fact names its stream, see `schemas.registry`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from schemas.subjects import PREFIX, SLOTS

MAX_PAYLOAD: Final = 8 << 20
"""The server's `max_payload`, bytes: more than a fact may have, so that a larger one can be rejected."""

DUPLICATE_WINDOW_S: Final = 120
_DAY_NS: Final = 86_400 * 1_000_000_000
MIN_SERVER: Final = (2, 12, 0)
"""The first nats-server with atomic batch publish."""

Bindings = Mapping[str, Sequence[str]]
"""The facts that a stream binds: entity → names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream: its name, and how it keeps facts."""

    name: str
    newest_only: bool = False  # keep one message a subject: levels, not events
    days: int = 0  # until a fact leaves the line; 0 = until it is purged
    shared: bool = False  # may bind facts of several entities
    mirrored: bool = False  # a centre keeps a copy of each site's
    origin: tuple[str, str] | None = None  # the (site, stream) that this one is a copy of

    def mirrors(self, sites: Iterable[str]) -> "tuple[Stream, ...]":
        """Return the copies of this stream that a centre keeps, one a site."""
        return tuple(
            replace(self, name=f"{self.name}_{site}", mirrored=False, origin=(site, self.name))
            for site in sites
        )


def bound_subjects(bindings: Bindings, site: str = "*") -> list[str]:
    """Return one subject for each fact: the server refuses an unknown fact, so that none vanishes."""
    return [f"{PREFIX}.{site}.{entity}.*.{fact}" for entity, facts in bindings.items() for fact in facts]


def stream_config(
    stream: Stream,
    bindings: Bindings,
    *,
    slotted: bool,
    partitions: int,
    replicas: int,
    only_site: str | None = None,
) -> dict[str, Any]:
    """Return a stream's configuration as the JetStream API takes it (durations in nanoseconds).

    With `only_site` the stream binds the facts of that site only. `slotted`: its stored subjects have a slot
    in place of the id.
    """
    if stream.origin is not None:
        return _copy_config(stream, *stream.origin, replicas)
    return {
        "name": stream.name,
        "subjects": bound_subjects(bindings, only_site or "*"),
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": replicas,
        "max_msgs_per_subject": 1 if stream.newest_only else -1,
        "max_age": stream.days * _DAY_NS,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msg_size": -1,
        "duplicate_window": DUPLICATE_WINDOW_S * 1_000_000_000,
        "allow_direct": True,
        "allow_atomic": True,
        "subject_transform": _transform(
            None if stream.shared else next(iter(bindings)), slotted=slotted, partitions=partitions
        ),
    }


def _transform(entity: str | None, *, slotted: bool, partitions: int) -> dict[str, str]:
    """Return what puts the partition in front, for one entity or for any (None)."""
    # `*` counts from 1: site, then the entity where it is one, then id and fact.
    id_ = 2 if entity else 3
    entity_token = entity or "{{wildcard(2)}}"
    address = f"partition({SLOTS},{id_})" if slotted else f"wildcard({id_})"
    return {
        "src": f"{PREFIX}.*.{entity or '*'}.*.*",
        "dest": f"{PREFIX}.{{{{partition({partitions},{id_})}}}}.{{{{wildcard(1)}}}}.{entity_token}"
        f".{{{{{address}}}}}.{{{{wildcard({id_ + 1})}}}}",
    }


def _copy_config(stream: Stream, site: str, origin: str, replicas: int) -> dict[str, Any]:
    # A mirror and not a source: message ids are unique within one site only, and a source drops a message
    # whose id another source has used. Sequences and store times of a mirror are those of the site.
    return {
        "name": stream.name,
        "mirror": {"name": origin, "external": {"api": f"$JS.{site}.API"}},
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": replicas,
        "max_age": stream.days * _DAY_NS,
        "allow_direct": True,
    }
