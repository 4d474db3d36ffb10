"""Two sites and their centre: everything arrives, nothing is mixed up, and whoever is cut off works on."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from line.connection import close_bus, connect_bus
from projections.catalogue import projection_named
from runtime.database.connections import connect
from tests.support.federation import TwoSites
from tests.support.jobs import job_event
from tests.support.processes import Processes
from tests.support.waiting import wait_until


@pytest.fixture
async def two(
    tmp_path: Path, new_database: Callable[..., str], processes: Processes
) -> AsyncIterator[TwoSites]:
    sites = TwoSites(tmp_path, new_database, processes)
    try:
        await sites.start()
        yield sites
    finally:
        await sites.stop()


async def standing(two: TwoSites, site: str) -> dict[str, Any]:
    found: dict[str, Any] = (await two.centre.http.get("/v1/healthz")).json()["sites"][site]
    return found


async def test_everything_of_every_site_is_at_the_centre(two: TwoSites) -> None:
    for site, place in two.sites.items():
        await place.send(
            *(job_event(f"J{n}", site=site, metadata={"n": n}) for n in range(10)),
            job_event("J1", "finished", site=site, minute=1),
            job_event("J1", "started", sub="s", site=site),
        )
        nc = await connect_bus(place.settings, name="test")
        await nc.jetstream().publish(
            f"ev.{site}.job.bare.started",
            json.dumps(job_event("bare", site=site)).encode(),
            headers={"Nats-Msg-Id": "one id at two sites"},
        )
        await close_bus(nc)
    await two.converged()
    for site in two.sites:
        assert len(await two.centre.items(site=site)) == 11
        assert [job["job_id"] for job in await two.centre.items(site=site, status="succeeded")] == ["J1"]
        assert [job["job_id"] for job in await two.centre.items(site=site, **{"metadata.n": 3})] == ["J3"]
        assert [one["subjob_id"] for one in await two.centre.items("/v1/subjobs", site=site)] == ["s"]
    other = await two.sites["fab1"].http.post("/v1/ingest/events", json=job_event("J", site="fab2"))
    assert (other.status_code, other.json()) == (
        422,
        {"detail": "site_id: this is site fab1; send events of site fab2 to its own sidecar or API"},
    )
    http = two.centre.http
    for path in ("/v1/jobs", "/v1/subjobs"):
        assert (await http.get(path)).status_code == 422
        assert (await http.get(path, params={"site": "fab9"})).status_code == 404
        assert (await http.get(path, params={"site": "fab1", "limit": 0})).status_code == 422
    sites = (await http.get("/v1/sites")).json()
    assert sites["count"] == 2
    assert [(one["id"], one["endpoint"]) for one in sites["sites"]] == [
        (site, str(place.http.base_url)) for site, place in two.sites.items()
    ]
    health = (await http.get("/v1/healthz")).json()
    assert (health["status"], health["service"]) == ("ok", "central-api")
    assert {site: one["status"] for site, one in health["sites"].items()} == {"fab1": "ok", "fab2": "ok"}
    centre = two.centre.settings
    nc = await connect_bus(centre, name="test")
    found = await verify(projection_named("jobs", centre.endpoints), centre, nc)
    await close_bus(nc)
    assert (found.differences, found.rows["entity"]) == ([], 24)


async def test_the_centre_is_rebuilt_while_sites_report(two: TwoSites) -> None:
    for site, place in two.sites.items():
        await place.send(
            *(job_event(f"J{n}", kind, site=site) for n in range(20) for kind in ("started", "finished"))
        )
    await two.converged()
    centre = two.centre.settings
    jobs = projection_named("jobs", centre.endpoints)
    nc = await connect_bus(centre, name="test")
    async with await connect(centre, name="test") as db:
        await db.execute("""update jobs.entity set metadata = '{"by": "hand"}' where id <> 'J7'""")
        assert len((await verify(jobs, centre, nc)).differences) == 38
        assert await rebuild_entity(db, nc, jobs, ("fab2", "J3"), centre.partitions) == 2
        assert len((await verify(jobs, centre, nc)).differences) == 37
        building = asyncio.create_task(rebuild(jobs, centre, nc))
        while not building.done():
            await two.sites["fab1"].send(job_event("J0", "progress", key=os.urandom(8).hex(), site="fab1"))
        assert (await building).phase == "done"
        await two.converged()
        assert (await verify(jobs, centre, nc)).differences == []
    await close_bus(nc)


async def test_nothing_crosses_between_sites_but_copies(two: TwoSites) -> None:
    """Neither facts nor announcements of progress: a site would take them for its own."""
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    one, other = [await connect_bus(place.settings, name="test") for place in two.sites.values()]
    centre = await connect_bus(two.centre.settings, name="test")
    for listening in (other, centre):
        for subject in ("ev.>", "progress.>", "probe.>"):
            await listening.subscribe(subject, cb=note)
        await listening.flush()
    # A fact that no stream binds: of one that is stored the centre's own consumer would announce progress.
    for subject in ("ev.fab1.job.J1.nothing", "progress.jobs", "probe.x"):
        await one.publish(subject, b"{}")
    await one.flush()
    await wait_until(lambda: heard.count("probe.x") == 2)  # the link is there, and passes on what it may
    assert heard == ["probe.x"] * 2
    for nc in (one, other, centre):
        await close_bus(nc)


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_a_site_and_the_centre_are_cut_off(two: TwoSites) -> None:
    """Each for a minute: both keep working meanwhile, then everything is the same again."""
    numbers = iter(range(10**6))

    async def report(*sites: str, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            for site in sites:
                number = next(numbers)
                await two.sites[site].send(
                    *(
                        job_event(f"J{number % 50}", "progress", key=f"{number}-{n}", site=site)
                        for n in range(20)
                    )
                )

    await report("fab1", "fab2", seconds=5)
    two.sites["fab2"].nats.kill()

    async def degraded() -> bool:
        return (await standing(two, "fab2"))["status"] == "degraded"

    await wait_until(degraded, 20)
    await report("fab1", seconds=60)
    answer = (await two.centre.http.get("/v1/jobs", params={"site": "fab2"})).json()
    assert answer["count"] > 0
    assert (answer["site"]["status"], answer["site"]["error"]) == ("degraded", "Connection timeout")
    assert (await standing(two, "fab1"))["status"] == "ok"
    await asyncio.to_thread(two.sites["fab2"].nats.start)
    await two.sites["fab2"].ready()
    await report("fab1", "fab2", seconds=5)
    await two.converged()
    two.centre.nats.kill()
    await report("fab1", "fab2", seconds=60)
    await asyncio.to_thread(two.centre.nats.start)
    await two.centre.ready()
    await report("fab1", "fab2", seconds=5)
    await two.converged()

    async def told() -> bool:  # sites are asked every two seconds
        return (await standing(two, "fab1"))["lag_events"] == 0

    await wait_until(told, 20)
