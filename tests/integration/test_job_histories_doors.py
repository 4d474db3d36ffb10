"""Histories of jobs through every door, each event twice, folded by two replicas, against the reference."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from nats.aio.client import Client
from pydantic_core import from_json

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from line.connection import connect_bus
from projections.catalogue import projection_named
from runtime.database.connections import Connection
from tests.reference.jobs import Happened
from tests.support.doors import DOORS, open_doors
from tests.support.engine import engine
from tests.support.job_histories import History, job_body, random_history
from tests.support.job_judge import judge_histories
from tests.support.line import Line
from tests.support.settled import at_the_end
from tests.support.waiting import wait_until

JOBS = 60


async def test_through_every_door_and_twice_jobs_are_what_the_reference_makes_of_the_line(
    settings: Settings, nc: Client, db: Connection, tmp_path: Path
) -> None:
    """The line says in which order events were stored; the second of two with one key is none."""
    chance = Random(17)
    told: dict[tuple[str, str], tuple[str, Happened]] = {}
    sends: list[tuple[str, dict[str, Any]]] = []
    for number in range(JOBS):
        name = f"job {number}"
        for place, (sub, event) in enumerate(random_history(chance, 10)):
            told[name, str(place)] = sub, event
            body = job_body(name, sub, event, site="local") | {"idempotency_key": str(place)}
            sends += [(chance.choice(DOORS), body) for _ in range(2)]
    chance.shuffle(sends)
    async with open_doors(settings, nc, tmp_path) as doors, engine(settings, owner="other"):
        room = asyncio.Semaphore(24)

        async def send(door: str, body: dict[str, Any]) -> None:
            async with room:
                assert await doors.of(door)(body) in {"ok", "dropped"}

        await asyncio.gather(*(send(door, body) for door, body in sends))
        await wait_until(lambda: at_the_end(nc, settings), 60, what="all folded")
        histories: dict[str, History] = {}
        for fact in await Line(nc).stored("JOBS"):
            stored = from_json(fact.body)
            job = stored["entity"].get("parent_id") or stored["entity"]["id"]
            if (found := told.pop((job, stored["idempotency_key"]), None)) is not None:
                histories.setdefault(job, []).append((found[0], replace(found[1], position=fact.seq)))
        assert told == {}
        await judge_histories(db, histories, site="local")
        other = await connect_bus(settings, name="test-control")
        assert (await verify(projection_named("jobs"), settings, other)).differences == []
        await rebuild(projection_named("jobs"), settings, other)
        await other.close()
        await judge_histories(db, histories, site="local")
