"""The contract of a projection on a real line: rebuild and verify, before and after facts left the line."""

from typing import Any

import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from consumers.engine.projector import Projector
from foldline.settings import Settings
from line.status import read_status
from projections.catalogue import PROJECTIONS
from projections.generations import Role, generations
from projections.projection import Projection
from runtime.database.connections import Connection
from tests.contract.facts import facts_of, many
from tests.support.engine import following
from tests.support.folding import Folding
from tests.support.waiting import wait_until


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
async def test_rebuild_and_verify(
    settings: Settings, nc: Client, db: Connection, projection: Projection[Any, Any]
) -> None:
    js = nc.jetstream(timeout=10)
    last: dict[str, int] = {}
    for one in many(facts_of(projection).all):
        ack = await js.publish(one.subject, one.body, headers=one.headers)
        last[ack.stream] = ack.seq
    folding = Folding(db, projection)

    async def is_folded() -> bool:
        found = {one.name: one for one in (await read_status(nc, db)).followers}
        return not any(found[projection.name].lag_events.values())

    async def number() -> int:
        return (await generations(db, projection.name))[Role.LIVE].number

    async with following(nc, settings, Projector(projection)):
        await wait_until(is_folded)
        live, first = await folding.rows(), await number()
        assert (await verify(projection, settings, nc)).differences == []
        assert (await rebuild(projection, settings, nc)).carried == 0
        assert await number() > first
        found = await folding.rows()
        del live["rejected"]  # of heartbeats the line keeps only the newest, and those are judged again
        assert found == found | live

        aging = [stream.name for stream in projection.streams if stream.days]
        if not aging:
            return
        for stream in aging:
            await js.purge_stream(stream, seq=last[stream] // 2)
        assert (await rebuild(projection, settings, nc)).carried > 0
        for table in ("message_id", *projection.aggregates):
            del live[table]
        found = await folding.rows()
        assert found == found | live
        assert (await verify(projection, settings, nc)).differences == []
