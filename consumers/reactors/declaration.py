"""The declaration of a reactor: its name, its kind, what it reads, when it runs, and how it is made.

Leases or durable, metrics, status and pause follow from it. A declaration stands in the module of its reactor
and is listed in `consumers.reactors.catalogue`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from psycopg_pool import AsyncConnectionPool

from line.durables import Durable
from line.progress import Progress
from line.raw_event import RawEvent
from producers.publishing.publisher import Publisher
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from runtime.settings.line import LineSettings
from runtime.settings.processes import ConsumerSettings
from schemas.registry import DECLARED
from schemas.streams import Stream
from schemas.subjects import PREFIX

Kind = Literal["following", "task", "periodic"]

Conclude = Callable[[Connection, Sequence[RawEvent]], Awaitable[None]]
"""Draws the conclusions of a batch, in the order of each partition. May raise NotYet: it is called again."""
Act = Callable[[RawEvent], Awaitable[None]]
"""Handles one event, in no order and perhaps repeatedly; it is acknowledged afterwards.

May raise NotYet or anything else: the event is delivered again. May raise InvalidFact: the projector records
the event, nobody else needs it.
"""
PeriodicRun = Callable[[Connection], Awaitable[int]]
"""One run over a connection of its own; returns how much it did. May raise NotYet or psycopg.Error."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a reactor is made from: the connections of its process.

    `followers` has the names of all projections and following reactors that read a stream, `tasks` the
    durables of all task reactors that read a fact (`session.expired`).
    """

    settings: ConsumerSettings
    nc: BusClient
    publisher: Publisher
    progress: Progress
    pool: AsyncConnectionPool[Connection]
    followers: Mapping[str, tuple[str, ...]]
    tasks: Mapping[str, tuple[Durable, ...]]


@dataclass(frozen=True, kw_only=True)
class Following:
    """A reactor that sees every event of its streams in the order of each partition, with leases.

    It runs wherever the line has its streams, and no setting enables it: what nobody follows any more would
    keep facts on the line. `linger`: seconds that a batch may wait for more events.
    """

    kind: ClassVar[Kind] = "following"
    period_s: ClassVar[None] = None
    setting: ClassVar[None] = None

    name: str
    about: str
    streams: tuple[Stream, ...]
    linger: float = 0.0
    make: Callable[[Resources], Conclude]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A reactor that handles facts one by one in no order, from a durable consumer of its name.

    `facts` are of one stream, each as `session.expired`. `setting` enables the reactor where it is neither
    empty nor zero. `ack_wait_s`: after so long without an answer an event is delivered to another replica.
    `version` is raised with every change of facts or `ack_wait_s`, so that an older program does not take
    the durable back.
    """

    kind: ClassVar[Kind] = "task"
    period_s: ClassVar[None] = None

    name: str
    about: str
    facts: tuple[str, ...]
    setting: str | None = None
    ack_wait_s: float = 30.0
    version: int = 1
    make: Callable[[Resources], Act]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The stream of its facts. Raises KeyError for an unknown fact."""
        return tuple({DECLARED.stream_of(*_split(fact)): None for fact in self.facts})

    @property
    def durable(self) -> Durable:
        """Its consumer on the server."""
        (stream,) = self.streams
        filters = tuple("{}.*.*.{}.*.{}".format(PREFIX, *_split(fact)) for fact in self.facts)
        return Durable(stream.name, self.name, filters, self.ack_wait_s, self.version)


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """A reactor that runs every now and then, in one replica at a time, over facts of its streams."""

    kind: ClassVar[Kind] = "periodic"

    name: str
    about: str
    streams: tuple[Stream, ...]
    period_s: float
    setting: str | None = None
    make: Callable[[Resources], PeriodicRun]


Reactor = Following | Task | Periodic

_PREFIX: Final = "FOLDLINE_"


def has_streams(reactor: Reactor, settings: LineSettings) -> bool:
    """Whether the line of these settings has what a reactor reads: a centre's has copies of jobs alone."""
    there = {stream.name for stream in settings.streams}
    return all(stream.name in there for stream in reactor.streams)


def runs_in(reactor: Reactor, settings: ConsumerSettings) -> bool:
    """Whether a process with these settings runs a reactor: it is enabled, and the line has its streams."""
    enabled = reactor.setting is None or bool(getattr(settings, reactor.setting))
    return enabled and has_streams(reactor, settings)


def variable_of(reactor: Reactor) -> str | None:
    """Return the environment variable that enables a reactor; None if nothing has to."""
    return None if reactor.setting is None else f"{_PREFIX}{reactor.setting.upper()}"


def _split(fact: str) -> tuple[str, str]:
    entity, _, name = fact.partition(".")
    return entity, name
