"""After a fault: the jobs read model and every live stream have each event once, in the order it was sent."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from consumers.control.verify import verify
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from projections.catalogue import projection_named
from runtime.database.connections import Connection, connect
from tests.faults.listeners import Listener
from tests.faults.reporters import Book, Event
from tests.reference import jobs as reference
from tests.reference.jobs import Happened
from tests.support.line import Line
from tests.support.settled import at_the_end
from tests.support.waiting import wait_until


async def judge_jobs(settings: Settings, book: Book, listeners: Sequence[Listener]) -> int:
    """Wait until all is folded, then compare; return how many events are on the line twice."""
    assert book.acknowledged == set(range(len(book.events)))
    nc = await connect_bus(settings, name="test-judge")
    async with await connect(settings, name="test-judge") as db:
        await wait_until(lambda: at_the_end(nc, settings), 180, what="all folded")
        assert await _timelines(db) == book.of_jobs()
        assert await _standings(db) == _expected(book.events)
    for listener in listeners:
        _heard(book, listener)
    found = await verify(projection_named("jobs"), settings, nc)
    assert found.differences == []
    assert found.rows["event"] == len(book.events)
    ids = Counter(fact.headers.get("Nats-Msg-Id", "") for fact in await Line(nc).stored("JOBS"))
    await close_bus(nc)
    return sum(number > 1 for number in ids.values())


async def _timelines(db: Connection) -> dict[str, list[int]]:
    cursor = await db.execute("select id, (metrics->>'n')::float::int from jobs.event order by id, seq")
    found: dict[str, list[int]] = defaultdict(list)
    for job, n in await cursor.fetchall():
        found[job].append(n)
    return found


async def _standings(db: Connection) -> dict[tuple[str, str], Any]:
    cursor = await db.execute(
        "select id, sub, status, ended_at, running, succeeded, failed, canceled from jobs.entity"
    )
    return {(job, sub): told for job, sub, *told in await cursor.fetchall()}


def _expected(events: Sequence[Event]) -> dict[tuple[str, str], Any]:
    jobs: dict[str, dict[str, list[Happened]]] = defaultdict(lambda: defaultdict(list))
    for position, event in enumerate(events):
        entity, happened = event["entity"], event["event"]
        job, sub = (entity["parent_id"], entity["id"]) if "parent_id" in entity else (entity["id"], "")
        at = datetime.fromisoformat(happened["at"])
        jobs[job][sub].append(Happened(position, at, happened["kind"], happened.get("status")))
    found = {}
    for job, entities in jobs.items():
        of_subjobs = reference.subjobs_by_status({sub: told for sub, told in entities.items() if sub})
        for sub, told in entities.items():
            counts = of_subjobs.values() if not sub else (0, 0, 0, 0)
            standing = reference.job(told)
            found[job, sub] = [standing["status"], standing["ended_at"], *counts]
    return found


def _heard(book: Book, listener: Listener) -> None:
    """Assert that a listener saw each event it asked for once, and those of a job in their order."""
    wanted = [n for n, event in enumerate(book.events) if listener.wanted(event)]
    assert sorted(listener.seen) == wanted
    job_of = {n: job for job, numbers in book.of_jobs().items() for n in numbers}
    newest: dict[str, int] = {}
    for n in listener.seen:
        assert n > newest.get(job_of[n], -1), f"{n} of {job_of[n]} came behind {newest[job_of[n]]}"
        newest[job_of[n]] = n
