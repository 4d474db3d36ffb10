"""The catalogue: every reactor, in one list, and what follows from it."""

from collections import defaultdict
from typing import Any, Final

from consumers.reactors.declaration import Following, Reactor, Task, runs_in
from consumers.reactors.expiry import EXPIRY
from consumers.reactors.liveness import LIVENESS
from consumers.reactors.retention import RETENTION
from consumers.reactors.sweep import SWEEP
from line.durables import Durable
from projections.catalogue import projections_of
from projections.generations import add_leases, set_streams
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.settings.processes import ConsumerSettings

REACTORS: Final[tuple[Reactor, ...]] = (
    LIVENESS,
    EXPIRY,
    RETENTION,
    SWEEP,
)

REACTOR_NAMES: Final = tuple(reactor.name for reactor in REACTORS)


def reactors_of(settings: ConsumerSettings) -> tuple[Reactor, ...]:
    """Return the reactors that a process with these settings runs."""
    return tuple(reactor for reactor in REACTORS if runs_in(reactor, settings))


def followers_of(settings: ConsumerSettings) -> dict[str, tuple[str, ...]]:
    """Return the names of all projections and following reactors that read a stream, by stream."""
    following = [one for one in reactors_of(settings) if isinstance(one, Following)]
    followers: list[Projection[Any, Any] | Following] = [*projections_of(settings.endpoints), *following]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for follower in followers:
        for stream in follower.streams:
            found[stream.name].append(follower.name)
    return {stream: tuple(names) for stream, names in found.items()}


def tasks_of(settings: ConsumerSettings) -> dict[str, tuple[Durable, ...]]:
    """Return the durables of all task reactors that read a fact, by fact: `session.expired`."""
    found: defaultdict[str, list[Durable]] = defaultdict(list)
    for reactor in reactors_of(settings):
        if isinstance(reactor, Task):
            for fact in reactor.facts:
                found[fact].append(reactor.durable)
    return {fact: tuple(durables) for fact, durables in found.items()}


async def install_reactors(conn: Connection, settings: ConsumerSettings) -> None:
    """Add the lease rows that following reactors lack, at the start of the line."""
    for reactor in reactors_of(settings):
        if isinstance(reactor, Following):
            await add_leases(conn, reactor.name, settings.partitions, streams=reactor.streams)
            await set_streams(conn, reactor.name, reactor.streams)
