"""The contract of a projection on a line that nobody touched: a verification finds nothing.

Random facts, valid and not, are folded by replicas that come and go, so that states are cold at any moment
and partitions move between any two events. Then what expired leaves the line, and what is old as well.
"""

import random
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from consumers.engine.projector import Projector
from foldline.settings import Settings
from line.jetstream import request_api
from line.status import read_status
from projections.catalogue import PROJECTIONS
from projections.projection import Projection
from runtime.database.connections import Connection
from schemas.registry import DECLARED
from tests.contract.facts import facts_of, held, many
from tests.reference.published import Published
from tests.support.engine import following
from tests.support.folding import Folding, raw_event
from tests.support.waiting import wait_until

ROUNDS = 6
COLD = 0.05  # of the facts are waited for


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
async def test_nothing_differs_when_nothing_was_touched(
    settings: Settings, nc: Client, db: Connection, projection: Projection[Any, Any]
) -> None:
    dice = random.Random(1)
    facts = many(facts_of(projection).all)
    js = nc.jetstream(timeout=10)
    stored: list[Published] = []

    async def is_folded() -> bool:
        found = {one.name: one for one in (await read_status(nc, db)).followers}
        return not any(found[projection.name].lag_events.values())

    async def is_clean() -> None:
        await wait_until(is_folded)
        assert (await verify(projection, settings, nc)).differences == []

    async with AsyncExitStack() as staying:
        for number in range(ROUNDS):
            async with AsyncExitStack() as leaving:
                stack = dice.choice([leaving, staying])
                replica = following(nc, settings, Projector(projection), owner=f"replica-{number}")
                await stack.enter_async_context(replica)
                for one in facts[number::ROUNDS]:
                    ack = await js.publish(one.subject, one.body, headers=one.headers)
                    stored.append(replace(one, seq=ack.seq))
                    if dice.random() < COLD:
                        await wait_until(is_folded)
        await staying.enter_async_context(following(nc, settings, Projector(projection), owner="last"))
        await is_clean()
        live = await rows(db, projection)
        await rebuild(projection, settings, nc)
        assert await rows(db, projection) == live
        # As retention does, and as streams do that keep events for some days.
        kept = {(raw_event(one).stream, one.seq) for one in held(stored)}
        for one in stored:
            place = (raw_event(one).stream, one.seq)
            if place[0] not in DECLARED.latest_only and place not in kept:
                await request_api(nc, f"STREAM.MSG.DELETE.{place[0]}", {"seq": one.seq})
        for stream in projection.streams:
            if stream.days:
                await request_api(nc, f"STREAM.PURGE.{stream.name}", {"seq": len(stored) // 2})
        await is_clean()
        await rebuild(projection, settings, nc)
        await is_clean()


async def rows(db: Connection, projection: Projection[Any, Any]) -> dict[str, list[str]]:
    """Everything in the read model but what was noted of levels, of which the line keeps the newest alone."""
    found = await Folding(db, projection).rows()
    names = ",".join(DECLARED.latest_only)
    return found | {"rejected": [row for row in found["rejected"] if row.split(",")[1] not in names]}
