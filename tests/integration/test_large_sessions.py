"""What one client stores and others must not notice: 21 patches whose numbers have 309 digits."""

import asyncio
import json
from typing import Any

import httpx
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from projections.catalogue import projection_named
from runtime.database.connections import Connection
from schemas.validation import MAX_FACT_BYTES
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.served_surface import served_surface

SESSIONS = projection_named("sessions")
WAITING = {"Foldline-Wait": "20000"}
NUMBERS = (MAX_FACT_BYTES - 100) // len("1e308,")


def patch(number: int) -> bytes:
    """Return a patch of 1 MiB that jsonb would print as 55 MB."""
    return b'{"k%d":[%b]}' % (number, b",".join([b"1e308"] * NUMBERS))


async def answer(client: httpx.AsyncClient, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def test_large_patches_of_one_session_are_noticed_by_nobody_else(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    config = settings.model_copy(update={"rebuild_workers": 1})
    async with engine(config), served_surface(config) as client:
        await line.created("other")
        await line.created("large")
        large = [await line.put("state", "large", patch(number)) for number in range(21)]
        after = await line.put("event", "other", {"name": "after"})
        await model.passed("other", after)
        await model.passed("large", large[-1])
        assert await model.events("other") == ["after"]
        assert await model.rejected() == {("SESSIONS", seq): "state_too_large" for seq in large[2:]}
        pages = ("/api/data/sessions", "/api/data/sessions?limit=100", "/api/data/sessions?timelines=false")
        for path in (*pages, "/api/data/sessions?state=k0.0=1e308&limit=5"):
            assert "large" in [session["id"] for session in await answer(client, path)]
        session = await answer(client, "/api/sessions/large")
        assert [len(one["state"]) for one in session["state_history"]] == [2, 3, 4]
        assert (await answer(client, "/api/sessions/large/history?limit=1"))["total"] == 3
        refused = await client.post("/api/sessions/large/state", content=patch(21), headers=WAITING)
        assert (refused.status_code, refused.json()["error"]) == (409, "State too large")
        assert "at most 2097152 are allowed" in refused.json()["details"]
        smaller = await client.post("/api/sessions/large/state", json={"k0": None}, headers=WAITING)
        assert smaller.status_code == 200
    async with engine(config), served_surface(config) as client:  # nothing is cached any more
        remedy = await line.put("state", "large", {f"k{number}": None for number in range(21)})
        await model.passed("large", remedy)
        assert ("SESSIONS", remedy) not in await model.rejected()
        session = await answer(client, "/api/sessions/large")
        assert session["state"] == {"product": "P", "version": "1"}
        found = await asyncio.wait_for(verify(SESSIONS, config, nc), 120)
        assert (found.total, found.rows["session"]) == (0, 2)
        await rebuild(SESSIONS, config, nc)
        assert await answer(client, "/api/sessions/large") == session


async def test_a_difference_of_a_large_value_is_told_in_short(
    settings: Settings, nc: Client, db: Connection
) -> None:
    line, model = Line(nc), Model(db)
    config = settings.model_copy(update={"rebuild_workers": 1})
    async with engine(config):
        await model.passed("large", await line.put("state", "large", patch(0)))
        state = json.dumps({"k0": [1e308] * NUMBERS, "wrong": 1}, separators=(",", ":"))
        await db.execute("update sessions.session set state = %s", (state,))
        found = await verify(SESSIONS, config, nc)
    (difference,) = found.differences
    there, by_the_line = difference.columns["state"]
    assert there != by_the_line
    assert len(there or "") < 1200
    assert f"{len(state)} characters" in (there or "")
