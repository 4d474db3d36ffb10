"""Task reactors: acknowledged after success, delivered again after failure, shown when that goes on."""

import asyncio

import pytest
from nats.aio.client import Client

from consumers.reactors import task
from consumers.reactors.expiry import EXPIRY
from foldline.embedded.nats import NatsServer
from foldline.settings import Settings
from line.raw_event import RawEvent
from runtime.database.connections import Connection
from schemas.facts import TIME
from schemas.headers import header
from schemas.subjects import partition_of
from schemas.validation import InvalidFact
from tests.support.line import Line, publish_raw
from tests.support.reactors import running_reactors, status_of, toy_task
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until


async def test_an_event_is_handed_over_as_it_was_published(settings: Settings, nc: Client) -> None:
    seen: list[RawEvent] = []

    async def note(event: RawEvent) -> None:
        seen.append(event)

    line = Line(nc)
    async with running_reactors(settings, toy_task(note)):
        await line.created("S1")
        at = {TIME: "2026-01-31T12:00:00Z"}
        sequence = await line.put("ended", "S1", b'{"a": 1.0}', headers=at)
        await wait_until(lambda: seen)
    (event,) = seen
    (_, stored) = await line.stored()
    part = partition_of("S1", PARTITIONS)
    assert (event.stream, event.partition, event.sequence) == ("SESSIONS", part, sequence)
    assert event.stored_at == stored.stored_at
    assert event.subject == f"ev.{part}.local.session.S1.ended"
    assert event.body == b'{"a": 1.0}'
    assert header(event.headers, TIME) == at[TIME]


async def test_what_fails_again_and_again_is_shown_until_it_is_handled(
    settings: Settings, nc: Client, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "SHOWN_AFTER", 2)
    mended = asyncio.Event()
    handled: list[int] = []

    async def fail(event: RawEvent) -> None:
        if event.sequence == broken and not mended.is_set():
            raise ZeroDivisionError("of\x00 ours\nand more")
        handled.append(event.sequence)

    line, toy = Line(nc), toy_task(fail)
    broken = await line.put("ended", "S1")
    async with running_reactors(settings, toy):
        other = await line.put("ended", "S2")
        await wait_until(lambda: handled == [other])

        async def failing() -> object:
            return (await status_of(nc, db, settings, toy)).failing

        (event,) = await wait_until(failing, 30)
        assert (event.stream, event.sequence) == ("SESSIONS", broken)
        assert event.subject.endswith(".local.session.S1.ended")
        assert event.tries >= 2
        assert event.error == "ZeroDivisionError: of ours"
        status = await status_of(nc, db, settings, toy)
        assert (status.state, status.pending, status.failing_total) == ("failing", 1, 1)
        assert status.last_failure
        assert status.last_failure.error == event.error
        mended.set()

        async def well() -> bool:
            status = await status_of(nc, db, settings, toy)
            return (status.state, status.pending, status.failing) == ("running", 0, [])

        await wait_until(well, 60, what="it is handled")
        assert handled == [other, broken]
        assert (await status_of(nc, db, settings, toy)).last_success


async def test_an_invalid_fact_is_acknowledged(
    settings: Settings, nc: Client, db: Connection, shared_nats: NatsServer
) -> None:
    async def refuse(event: RawEvent) -> None:
        raise InvalidFact("invalid_subject", "nobody needs it")

    toy = toy_task(refuse)
    await publish_raw(shared_nats.url, (b"ev.local.session.\xff.ended", b"", b""))
    await Line(nc).put("ended", "S1")
    async with running_reactors(settings, toy):

        async def acknowledged() -> bool:
            status = await status_of(nc, db, settings, toy)
            return (status.pending, bool(status.last_success)) == (0, True)

        await wait_until(acknowledged, 30)
        assert (await status_of(nc, db, settings, toy)).last_failure is None


async def test_a_reactor_that_nobody_runs_is_not_running(
    settings: Settings, nc: Client, db: Connection
) -> None:
    status = await status_of(nc, db, settings, EXPIRY)
    assert (status.state, status.pending, status.last_success) == ("not running", None, None)
