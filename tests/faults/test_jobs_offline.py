"""NATS is away while twenty clients report jobs through a sidecar that is killed as well."""

import asyncio
import logging

import pytest

from foldline.embedded.nats import NatsServer
from tests.faults.jobs_judge import judge_jobs
from tests.faults.jobs_site import JobsSite, Link
from tests.faults.listeners import LAST, Listener
from tests.faults.reporters import Book, Reporter
from tests.support.http import http_client
from tests.support.processes import Processes
from tests.support.proxy import proxied
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

logger = logging.getLogger(__name__)

CLIENTS = 20
_KEPT = 100  # events the API keeps in memory: who was away for longer reads the line


@pytest.mark.timeout(400)  # on a busy machine the spool takes its time
async def test_the_line_is_away(own_nats: NatsServer, database: str, processes: Processes) -> None:
    """For some seconds that stand for minutes: the line forgets message ids while it is away."""
    await _away(own_nats, database, processes, outage=3, pace=0.15, forget=True)


@pytest.mark.faults
@pytest.mark.timeout(900)
async def test_the_line_is_away_for_five_minutes(
    own_nats: NatsServer, database: str, processes: Processes
) -> None:
    await _away(own_nats, database, processes, outage=300, pace=0.5, forget=False)


async def _away(
    nats: NatsServer, database: str, processes: Processes, *, outage: float, pace: float, forget: bool
) -> None:
    """`outage` in seconds; `pace`: mean rest of a client between two requests."""
    link, book = Link(nats), Book()
    settings = line_settings(nats, database, site="fab1", live_events=_KEPT)
    listeners = [
        Listener(0),
        Listener(1, patience=3),
        Listener(2, patience=10),
        Listener(3, patience=3, kind="metric"),
        Listener(4),
    ]
    async with proxied(link.connect, link.judge) as proxy:
        site = JobsSite(nats, settings, processes, proxy.port)
        await site.start()
        async with http_client(site.sidecar_url, timeout=10) as http:
            reporters = [Reporter(number, http, book, pace) for number in range(CLIENTS)]
            async with asyncio.TaskGroup() as listening:
                *early, late = [listener.listen(site.jobs_url) for listener in listeners]
                for reading in early:
                    listening.create_task(reading)
                async with asyncio.TaskGroup() as reporting:
                    for reporter in reporters:
                        reporting.create_task(reporter.report())
                    await _cut_off(site, link, book)
                    listening.create_task(late)  # what it asks for is on the line alone
                    await _outage(site, outage)
                    await _back(site, link, book, forget=forget)
                    book.over = True
                await wait_until(site.drained, 300, what="the spool is empty")
                await reporters[0].send(book.enter(LAST, "metric"))
        logger.info("everything was heard")
        twice = await judge_jobs(settings, book, listeners)
        cuts = proxy.cuts["cut before the answer"]
    logger.info(
        "%d events of %d jobs, %d sent again by clients, %d groups without their answer, %d events twice on"
        " the line, %s connections of readers",
        len(book.events),
        len(book.of_jobs()),
        book.resent,
        cuts,
        twice,
        [listener.connections for listener in listeners],
    )
    assert twice > 0, "nothing was stored without the sidecar's knowledge"
    assert book.resent > 0, "no client was left without an answer"


async def _cut_off(site: JobsSite, link: Link, book: Book) -> None:
    """The line goes, and something is on it that was not acknowledged."""
    await _reported(book, 300)
    link.cut()
    await wait_until(site.spooled, what="the sidecar spools")
    site.nats.kill()


async def _outage(site: JobsSite, seconds: float) -> None:
    """At least so long; the sidecar is killed twice."""
    for _ in range(2):
        await asyncio.sleep(seconds / 3)  # the outage itself
        await site.crash_sidecar()
        await wait_until(site.spooled, what="the sidecar is back")
    await asyncio.sleep(seconds / 3)
    logger.info("%d events wait", await site.spooled())


async def _back(site: JobsSite, link: Link, book: Book, *, forget: bool) -> None:
    """The line is there again, and everything goes straight to it."""
    await asyncio.to_thread(site.nats.start)
    if forget:
        await site.forget_message_ids()
    link.mend()
    await wait_until(site.drained, 300, what="the spool is empty")
    logger.info("none waits any more")
    await _reported(book, 300)


async def _reported(book: Book, more: int) -> None:
    enough = len(book.acknowledged) + more
    await wait_until(lambda: len(book.acknowledged) >= enough, 60, what=f"{more} more events")
