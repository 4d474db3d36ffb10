"""Machines that returned while no consumer ran: judged right, however far HEARTBEATS is folded by then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.aio.client import Client

from consumers.engine.projector import Projector
from consumers.reactors.following import FollowingHandler
from consumers.reactors.liveness import LIVENESS
from consumers.reactors.outcomes import Outcomes
from foldline.settings import Settings
from projections.catalogue import PROJECTIONS
from runtime.database.connections import Connection
from schemas.sessions.streams import SESSIONS
from tests.support.engine import engine, following, reactor_resources
from tests.support.line import Line, Model
from tests.support.waiting import wait_until

TIMEOUT = 0.5


def created(product: str) -> dict[str, Any]:
    return {"product": product, "version": "1", "machine_id": "m1"}


async def machine_returned(line: Line) -> int:
    """X was silent for longer than the timeout when its machine began Y; answers the sequence of that."""
    await line.put("created", "X", created("X"))
    await line.put("heartbeat", "X")
    (beat,) = await line.stored("HEARTBEATS")
    suspended = beat.stored_at + timedelta(seconds=TIMEOUT)
    await wait_until(lambda: datetime.now(UTC) > suspended, what="X is suspended")
    return await line.put("created", "Y", created("Y"))


@pytest.fixture
def quick(settings: Settings) -> Settings:
    return settings.model_copy(update={"heartbeat_timeout": TIMEOUT})


async def has_crashed(model: Model) -> None:
    async def so() -> bool:
        session = await model.session("X")
        return bool(session and session["crashed"])

    await wait_until(so)
    await model.passed("X", 1, "HEARTBEATS")
    session = await model.session("X")
    assert session
    assert session["last_heartbeat"]
    assert [event["data"]["machine_id"] for event in session["events"]] == ["m1"]
    other = await model.session("Y")
    assert other
    assert other["crashed"] is False


async def test_heartbeats_are_folded_after_the_judgement(quick: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db, timeout=TIMEOUT)
    returned = await machine_returned(line)
    projector = Projector(PROJECTIONS[0])
    projector.streams = (SESSIONS,)
    async with reactor_resources(quick) as resources:
        liveness = FollowingHandler(LIVENESS, LIVENESS.make(resources), Outcomes(["liveness"]))
        async with following(nc, quick, projector, liveness):
            await model.passed("Y", returned, follower="liveness")
    assert await model.reached("X", "HEARTBEATS") == 0
    assert [fact.subject for fact in await line.stored() if fact.fact == "crashed"] == [
        "ev.local.session.X.crashed"
    ]
    async with engine(quick):
        await has_crashed(model)
