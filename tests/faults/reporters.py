"""Clients that report jobs to a sidecar, whatever happens to it, and keep book of what they sent."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.jobs import job_event

_OPEN_JOBS = 3  # of one client, side by side
_SUBJOBS = 2
_ENDS = (("finished", None), ("finished", "failed"), ("canceled", None), ("error", "failed"))

Event = dict[str, Any]


@dataclass
class Book:
    """A book of every event in the order of its number `n`, and of those that were acknowledged."""

    events: list[Event] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    resent: int = 0
    over: bool = False

    def enter(self, job: str, kind: str, **told: Any) -> Event:
        """Enter an event that is about to be sent."""
        n = len(self.events)
        event = job_event(job, kind, key=f"key-{n}", minute=n / 1_000, metrics={"n": n}, **told)
        self.events.append(event)
        return event

    def of_jobs(self) -> dict[str, list[int]]:
        """Return the events of each job and its subjobs, as they were sent."""
        found: dict[str, list[int]] = defaultdict(list)
        for n, event in enumerate(self.events):
            entity = event["entity"]
            found[entity["parent_id"] if entity["type"] == "subjob" else entity["id"]].append(n)
        return found


class Reporter:
    """One client with jobs of its own. The next events of a job wait until those before are acknowledged."""

    def __init__(self, number: int, http: httpx.AsyncClient, book: Book, pace: float) -> None:
        self._name = f"client-{number}"
        self._http = http
        self._book = book
        self._pace = pace
        self._chance = random.Random(number)
        self._jobs = 0
        self._open = [self._life() for _ in range(_OPEN_JOBS)]

    async def report(self) -> None:
        """Send one request after another until it is over and the last one is acknowledged."""
        while not self._book.over:
            await self.send(*(self._next() for _ in range(self._chance.choice((1, 1, 4, 8)))))
            await asyncio.sleep(self._chance.uniform(0, 2 * self._pace))  # the load, not a wait

    async def send(self, *events: Event) -> None:
        """Send until it is acknowledged: without an answer the same is sent again."""
        single = len(events) == 1
        path, body = ("", events[0]) if single else (":batch", list(events))
        while True:
            try:
                answer = await self._http.post(f"/v1/ingest/events{path}", json=body)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                break
            self._book.resent += 1
            await asyncio.sleep(self._chance.uniform(0.05, 0.3))  # between two tries
        assert (answer.status_code, answer.json()["ok"]) == (200, True), answer.text
        self._book.acknowledged.update(event["event"]["metrics"]["n"] for event in events)

    def _next(self) -> Event:
        place = self._chance.randrange(_OPEN_JOBS)
        try:
            return next(self._open[place])
        except StopIteration:
            self._open[place] = self._life()
            return next(self._open[place])

    def _life(self) -> Iterator[Event]:
        job, enter = f"{self._name}-{self._jobs}", self._book.enter
        self._jobs += 1
        yield enter(job, "started")
        for number in range(_SUBJOBS):
            yield enter(job, "started", sub=f"s{number}")
        for number in range(_SUBJOBS):
            yield enter(job, "progress", sub=f"s{number}")
            kind, status = self._chance.choice(_ENDS)
            yield enter(job, kind, sub=f"s{number}", **({"status": status} if status else {}))
            yield enter(job, "metric")
        kind, status = self._chance.choice(_ENDS)
        yield enter(job, kind, **({"status": status} if status else {}))
