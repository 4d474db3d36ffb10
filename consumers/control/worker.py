"""A worker of a rebuild or a verification: folds one generation, as a process of its own.

`Workers` starts it and writes its assignment, one line of JSON, to its standard input. The worker ends when
its input ends, so that none outlives the process that started it.
"""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

import uvloop
from pydantic import BaseModel

from consumers.engine.follower import Follower
from consumers.engine.following import following
from consumers.engine.handler import Handler, More, no_more
from consumers.engine.leases import Leases
from consumers.engine.projector import Projector
from line.bootstrap import LineBootstrap
from line.raw_event import RawEvent
from projections.catalogue import projection_named
from projections.generations import Role, name_of
from runtime.database.connections import Connection
from runtime.process.garbage import collect_rarely
from runtime.process.logs import set_up_logging
from runtime.settings.database import FoldSettings

_NICE: Final = 10  # the live read model must not wait for what is built beside it
_TRANSACTION_EVENTS: Final = 100_000  # events of one transaction: a few seconds' work
_INPUT: Final = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - standard input, unbuffered


class Assignment(BaseModel):
    """The work of a worker: one generation, folded for ever or up to the sequences of `until`.

    `until`: partition → stream → sequence. `workers`: how many have this assignment.
    """

    projection: str
    role: Role
    until: dict[int, dict[str, int]] | None = None
    workers: int = 1


class BoundedProjector:
    """A projector that folds no event beyond given sequences, as if none had been published.

    `until`: partition → stream → sequence.
    """

    def __init__(self, projector: Projector[Any, Any], until: Mapping[int, Mapping[str, int]]) -> None:
        self.projector = projector
        self.name = projector.name
        self.version = projector.version
        self.streams = projector.streams
        self.linger = projector.linger
        self._until = until

    def take_rejected(self) -> Mapping[str, Sequence[int]]:
        """Return what the projector rejected."""
        return self.projector.take_rejected()

    def forget(self) -> None:
        """Forget what the projector remembers."""
        self.projector.forget()

    def prefetch(self, event: RawEvent) -> None:
        """Prefetch an event that is not beyond the end."""
        if event.sequence <= self._end(event):
            self.projector.prefetch(event)

    async def apply(
        self, writer: Connection, events: Sequence[RawEvent], leases: Leases, more: More = no_more
    ) -> None:
        """Fold the events that are not beyond the end."""
        if wanted := self._wanted(events):
            await self.projector.apply(writer, wanted, leases, lambda: self._wanted(more()))

    def _wanted(self, events: Sequence[RawEvent]) -> Sequence[RawEvent]:
        return [event for event in events if event.sequence <= self._end(event)]

    def _end(self, event: RawEvent) -> int:
        return self._until.get(event.partition, {}).get(event.stream, 0)


async def run_worker(assignment: Assignment, config: FoldSettings) -> None:
    """Fold until standard input ends."""
    projection = projection_named(assignment.projection, config.endpoints)
    generation = projection.in_schema(name_of(projection.name, assignment.role))
    projector = Projector(generation, max_transaction_events=_TRANSACTION_EVENTS)
    handler: Handler = (
        projector if assignment.until is None else BoundedProjector(projector, assignment.until)
    )
    bootstrap = LineBootstrap(config, name=f"foldline-{assignment.role}")
    owner = f"{socket.gethostname()}-{os.getpid()}"
    follower = Follower(handler, bootstrap.nc, config, owner, replicas=assignment.workers)
    bootstrap.run(following([follower]))
    async with bootstrap.started():
        await _end_of_input()


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), _INPUT)
    await reader.read()


def main() -> None:
    """Read the assignment from standard input, then fold."""
    config = FoldSettings()
    set_up_logging(config)
    os.nice(_NICE)
    collect_rarely()
    assignment = Assignment.model_validate_json(_INPUT.readline())
    uvloop.run(run_worker(assignment, config))


if __name__ == "__main__":
    main()
