"""The streams of the line, declared once; at start they are compared with the server's, field by field."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from schemas.jobs.facts import KINDS
from schemas.sessions.facts import SESSION_FACTS
from schemas.subjects import PREFIX, SLOTS, SLOTTED

MAX_PAYLOAD: Final = 8 << 20
"""The server's `max_payload`, bytes: more than a fact may have, so that a larger one can be rejected."""

DUPLICATE_WINDOW_S: Final = 120
_DAY_NS: Final = 86_400 * 1_000_000_000
MIN_SERVER: Final = (2, 12, 0)
"""The first nats-server with atomic batch publish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream: the facts of one entity that it binds, and how long it keeps them."""

    name: str
    entity: str
    facts: tuple[str, ...]
    newest_only: bool = False  # keep one message a subject: levels, not events
    days: int = 0  # until a fact leaves the line; 0 = until it is purged
    origin: tuple[str, str] | None = None  # the (site, stream) that this one mirrors

    def subjects(self, site: str = "*") -> list[str]:
        """Return one subject for each fact: the server refuses an unknown fact, so that none vanishes."""
        return [f"{PREFIX}.{site}.{self.entity}.*.{fact}" for fact in self.facts]

    def _copy(self, site: str, stream: str, replicas: int) -> dict[str, Any]:
        # A mirror and not a source: message ids are unique within one site only, and a source drops a message
        # whose id another source has used. Sequences and store times of a mirror are those of the site.
        return {
            "name": self.name,
            "mirror": {"name": stream, "external": {"api": f"$JS.{site}.API"}},
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": replicas,
            "max_age": self.days * _DAY_NS,
            "allow_direct": True,
        }

    def config(self, *, partitions: int, replicas: int, only_site: str | None = None) -> dict[str, Any]:
        """Return the stream's configuration as the JetStream API takes it (durations in nanoseconds).

        With `only_site` the stream binds the facts of that site only.
        """
        if self.origin is not None:
            return self._copy(*self.origin, replicas)
        address = f"partition({SLOTS},2)" if self.entity in SLOTTED else "wildcard(2)"
        return {
            "name": self.name,
            "subjects": self.subjects(only_site or "*"),
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": replicas,
            "max_msgs_per_subject": 1 if self.newest_only else -1,
            "max_age": self.days * _DAY_NS,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msg_size": -1,
            "duplicate_window": DUPLICATE_WINDOW_S * 1_000_000_000,
            "allow_direct": True,
            "allow_atomic": True,
            "subject_transform": {
                "src": f"{PREFIX}.*.{self.entity}.*.*",
                "dest": f"{PREFIX}.{{{{partition({partitions},2)}}}}.{{{{wildcard(1)}}}}.{self.entity}"
                f".{{{{{address}}}}}.{{{{wildcard(3)}}}}",
            },
        }


SESSIONS: Final = Stream(
    name="SESSIONS",
    entity="session",
    facts=tuple(fact for fact in SESSION_FACTS if fact != "heartbeat"),
)
HEARTBEATS: Final = Stream(name="HEARTBEATS", entity="session", facts=("heartbeat",), newest_only=True)
JOBS: Final = Stream(name="JOBS", entity="job", facts=KINDS, days=90)

STREAMS: Final = (SESSIONS, HEARTBEATS, JOBS)

LATEST_ONLY: Final = frozenset(stream.name for stream in STREAMS if stream.newest_only)
"""Streams that keep only the newest message of a subject: their facts may repeat, and have no history."""


def streams_of(sites: Iterable[str]) -> tuple[Stream, ...]:
    """Return the streams of a site, or those of a centre: a copy of the jobs of each of its `sites`."""
    copies = (
        Stream(name=f"JOBS_{site}", entity="job", facts=KINDS, days=JOBS.days, origin=(site, JOBS.name))
        for site in sites
    )
    return tuple(copies) or STREAMS


_BY_FACT: Final = {(stream.entity, fact): stream for stream in STREAMS for fact in stream.facts}


def stream_of(entity: str, fact: str) -> Stream:
    """Return the stream that keeps a fact. Raises KeyError for an unknown fact."""
    return _BY_FACT[entity, fact]


def drift(declared: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    """Return the differences between declared and actual configuration, one line for each field."""
    lines = []
    for field, want in declared.items():
        have = actual.get(field)
        if field == "mirror":
            same = have is not None and _address(want) == _address(have)
        elif isinstance(want, list):
            same = have is not None and sorted(want) == sorted(have)
        else:
            same = (have or None) == (want or None)
        if not same:
            lines.append(f"stream {declared['name']}: {field} is {have!r}, declared {want!r}")
    return lines


def _address(mirror: dict[str, Any]) -> tuple[str, str]:
    return mirror["name"], mirror["external"]["api"]
