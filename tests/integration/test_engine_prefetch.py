"""Events are decoded before their turn while PostgreSQL works; only the time it takes depends on it."""

import asyncio

import pytest
from nats.aio.client import Client

from consumers.engine.projector import Projector
from foldline.settings import Settings
from line.raw_event import RawEvent
from runtime.database.connections import Connection
from tests.support.engine import engine
from tests.support.line import Line, Model

SESSIONS = 20
EVENTS = 4_000
TOGETHER = 200


async def fill(line: Line) -> None:
    for start in range(0, EVENTS, TOGETHER):
        numbers = range(start, start + TOGETHER)
        await asyncio.gather(*(line.put("event", f"S{n % SESSIONS}", {"name": f"e{n}"}) for n in numbers))


async def test_while_a_large_batch_is_written_the_next_is_decoded(
    settings: Settings, nc: Client, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, model = Line(nc), Model(db)
    await fill(line)
    heard: list[RawEvent] = []
    prefetch = Projector.prefetch

    def noted(self: Projector, event: RawEvent) -> None:  # type: ignore[type-arg]
        heard.append(event)
        prefetch(self, event)

    monkeypatch.setattr(Projector, "prefetch", noted)
    async with engine(settings.model_copy(update={"batch_events": 1_000})):
        await model.caught_up(line)
        assert len(heard) > 100
        for session in ("S0", "S1", f"S{SESSIONS - 1}"):
            await model.equals(await line.reference(), session)


async def test_a_decoder_with_a_bug_is_told_of_when_it_is_the_events_turn(
    settings: Settings, nc: Client, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, model = Line(nc), Model(db)
    await fill(line)

    def broken(self: Projector, event: RawEvent) -> None:  # type: ignore[type-arg]
        raise RuntimeError("only ahead of time")

    monkeypatch.setattr(Projector, "prefetch", broken)
    async with engine(settings.model_copy(update={"batch_events": 1_000})) as followers:
        await model.caught_up(line)
        await model.equals(await line.reference(), "S0")
        assert followers[0].failure is None
