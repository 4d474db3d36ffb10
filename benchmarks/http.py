"""HTTP: our routes and routes that do nothing, by the same server under the same client."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from typing import Final, NamedTuple

from benchmarks import live, lua, wrk
from benchmarks.children import running
from benchmarks.figures import Figures
from benchmarks.say import Say, until
from benchmarks.sizes import Sizes
from benchmarks.undisturbed import undisturbed
from foldline.embedded.ports import pick_port
from runtime.database.connections import connect
from runtime.settings import Settings

Settled = Callable[[], Awaitable[None]]

_SESSIONS: Final = 1_000
_LEAST: Final = 0.40  # of a bare route, with the most connections


class Asked(NamedTuple):
    """What the HTTP client asks for. `least`: what share of the limit it is compared with it has to be."""

    name: str
    url: str
    script: str = ""
    least: float | None = None
    settled: Settled | None = None  # waits for the work that is left when all is answered


class Runs:
    """Runs of the HTTP client, and the figures they give."""

    def __init__(self, figures: Figures, say: Say, sizes: Sizes) -> None:
        self._figures = figures
        self._say = say
        self._seconds = sizes.http_s
        self._grown_s = sizes.grown_s
        self._turns = sizes.turns
        self._tries = sizes.tries
        self._connections = sizes.connections

    async def compare(self, config: Settings) -> None:
        """Requests a second and latencies by connections, and their share of bare routes."""
        port = pick_port("127.0.0.1")
        bare, ours = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{config.api_port}"
        async with AsyncExitStack() as stack:
            for program in (("-m", "benchmarks.bare", str(port)), ("-m", "foldline", "api"), live.CONSUMER):
                await stack.enter_async_context(running(config, *program))
            await answers(f"{bare}/constant")
            await answers(f"{ours}/ready")
            await asyncio.to_thread(_create, ours)
            db = await stack.enter_async_context(await connect(config, name="bench-http"))
            folded = partial(live.settled, db)
            for connections in self._connections:
                least = _LEAST if connections == max(self._connections) else None
                await self._share(
                    connections,
                    Asked("bare GET", f"{bare}/constant"),
                    Asked("GET of a session", ours, lua.gets(_SESSIONS), least),
                )
                await self._share(
                    connections,
                    Asked("bare POST", f"{bare}/body", lua.post()),
                    Asked("durable POST", ours, lua.events(_SESSIONS, 0), least, folded),
                    Asked("durable POST, readable", ours, lua.events(_SESSIONS, 1_000), None, folded),
                )

    async def grown(self, config: Settings, count: int, name: str, sessions: int) -> None:
        """Latencies of a session and of a page of 50, one connection, while `count` events are stored."""
        url = f"http://127.0.0.1:{config.api_port}"
        async with running(config, "-m", "foldline", "api"):
            await answers(f"{url}/health")
            for asked in (
                Asked("GET", url, lua.gets(sessions, name)),
                Asked("page", f"{url}/api/data/sessions?limit=50"),
            ):
                load = await self._load(f"{count:,} events", 1, asked, self._grown_s)
                name, note = f"growth {count:,}: {asked.name}, p99", f"p50 {load.p50:.1f} ms"
                self._figures.add(name, [load.turn(load.p99)], "ms", work="requests", note=note)

    async def _share(self, connections: int, limit: Asked, *others: Asked) -> None:
        """In turns: others may slow down the machine for one of them."""
        each = (limit, *others)
        found: dict[str, list[wrk.Load]] = {asked.name: [] for asked in each}
        for _ in range(self._turns):
            for asked in each:
                load = await self._load(f"{connections} connections", connections, asked, self._seconds)
                found[asked.name].append(load)
        for asked in each:
            loads = found[asked.name]
            p50, p99 = median(load.p50 for load in loads), median(load.p99 for load in loads)
            self._figures.add(
                f"{asked.name}, {connections} conn.",
                [load.turn(load.rate) for load in loads],
                "requests/s",
                work="requests",
                of="" if asked is limit else f"{limit.name}, {connections} conn.",
                least=asked.least,
                note=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            )

    async def _load(self, what: str, connections: int, asked: Asked, seconds: float) -> wrk.Load:
        name = f"{what}: {asked.name}"
        self._say(name)

        async def once() -> wrk.Load:
            found = await wrk.load(
                asked.url,
                connections=connections,
                seconds=seconds,
                script=asked.script,
                settled=asked.settled,
            )
            if found.bad:
                raise RuntimeError(f"{name}: {found.bad} requests failed")
            if not found.rate:
                raise RuntimeError(f"{name}: nothing was answered in {seconds:g} s")
            return found

        return await undisturbed(once, self._tries, self._say)


async def answers(url: str) -> None:
    """Until a server answers with 200."""

    def asked() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own, on loopback
                return bool(answer.status == 200)
        except OSError:
            return False

    await until(lambda: asyncio.to_thread(asked), every=0.1, most=60)


def _create(url: str) -> None:
    for number in range(_SESSIONS):
        body = {"session_id": f"bench-{number}", "product": "Bench", "version": "1"}
        request = urllib.request.Request(  # noqa: S310 - our own, on loopback
            f"{url}/api/sessions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Foldline-Wait": "0"},
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass
