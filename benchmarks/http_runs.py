"""HTTP: our routes beside routes that do nothing, on the same server and under the same client."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from typing import Final, NamedTuple

from benchmarks import live_load, lua, wrk
from benchmarks.child_processes import running_program
from benchmarks.figures import Figures
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus, wait_until
from benchmarks.undisturbed import measure_undisturbed
from foldline.embedded.ports import pick_port
from foldline.settings import port_of
from foldline.surfaces import API
from runtime.database.connections import connect
from runtime.settings.processes import UpSettings

Settled = Callable[[], Awaitable[None]]
"""Returns when the work is done that goes on after all is answered."""

_SESSIONS: Final = 1_000
_LEAST: Final = 0.40  # of a bare route, with the most connections


class HttpTarget(NamedTuple):
    """Requests of one kind. `least`: the share of their limit that their rate must reach."""

    name: str
    url: str
    script: str = ""
    least: float | None = None
    settled: Settled | None = None


class HttpRuns:
    """Runs of the HTTP client; adds the figures they give."""

    def __init__(self, figures: Figures, show_status: ShowStatus, sizes: Sizes) -> None:
        self._figures = figures
        self._show_status = show_status
        self._seconds = sizes.http_s
        self._grown_s = sizes.grown_s
        self._turns = sizes.turns
        self._tries = sizes.tries
        self._connections = sizes.connections

    async def measure_routes(self, config: UpSettings) -> None:
        """Measure requests a second and latencies by number of connections, as shares of bare routes."""
        port = pick_port("127.0.0.1")
        bare, ours = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port_of(config, API)}"
        async with AsyncExitStack() as stack:
            for program in (
                ("-m", "benchmarks.bare_app", str(port)),
                ("-m", "foldline", "api"),
                live_load.CONSUMER,
            ):
                await stack.enter_async_context(running_program(config, *program))
            await wait_for_ok(f"{bare}/constant")
            await wait_for_ok(f"{ours}/ready?for=reads,writes")
            await asyncio.to_thread(_create, ours)
            db = await stack.enter_async_context(await connect(config, name="bench-http"))
            folded = partial(live_load.wait_until_folded, db)
            for connections in self._connections:
                least = _LEAST if connections == max(self._connections) else None
                await self._measure_shares(
                    connections,
                    HttpTarget("bare GET", f"{bare}/constant"),
                    HttpTarget("GET of a session", ours, lua.gets(_SESSIONS), least),
                )
                await self._measure_shares(
                    connections,
                    HttpTarget("bare POST", f"{bare}/body", lua.post()),
                    HttpTarget("durable POST", ours, lua.events(_SESSIONS, 0), least, folded),
                    HttpTarget("durable POST, readable", ours, lua.events(_SESSIONS, 1_000), None, folded),
                )

    async def measure_growth(self, config: UpSettings, count: int, name: str, sessions: int) -> None:
        """Measure latencies of a session and of a page of 50, one connection, with `count` events stored."""
        url = f"http://127.0.0.1:{port_of(config, API)}"
        async with running_program(config, "-m", "foldline", "api"):
            await wait_for_ok(f"{url}/health")
            for target in (
                HttpTarget("GET", url, lua.gets(sessions, name)),
                HttpTarget("page", f"{url}/api/data/sessions?limit=50"),
            ):
                load = await self._run(f"{count:,} events", 1, target, self._grown_s)
                name, note = f"growth {count:,}: {target.name}, p99", f"p50 {load.p50:.1f} ms"
                self._figures.add(name, [load.turn(load.p99)], "ms", work="requests", note=note)

    async def _measure_shares(self, connections: int, limit: HttpTarget, *others: HttpTarget) -> None:
        """Measure the limit and the others in turns: whatever slows down the machine slows down all."""
        each = (limit, *others)
        found: dict[str, list[wrk.WrkRun]] = {target.name: [] for target in each}
        for _ in range(self._turns):
            for target in each:
                load = await self._run(f"{connections} connections", connections, target, self._seconds)
                found[target.name].append(load)
        for target in each:
            loads = found[target.name]
            p50, p99 = median(load.p50 for load in loads), median(load.p99 for load in loads)
            self._figures.add(
                f"{target.name}, {connections} conn.",
                [load.turn(load.rate) for load in loads],
                "requests/s",
                work="requests",
                of="" if target is limit else f"{limit.name}, {connections} conn.",
                least=target.least,
                note=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            )

    async def _run(self, what: str, connections: int, target: HttpTarget, seconds: float) -> wrk.WrkRun:
        name = f"{what}: {target.name}"
        self._show_status(name)

        async def once() -> wrk.WrkRun:
            found = await wrk.run_wrk(
                target.url,
                connections=connections,
                seconds=seconds,
                script=target.script,
                settled=target.settled,
            )
            if found.bad:
                raise RuntimeError(f"{name}: {found.bad} requests failed")
            if not found.rate:
                raise RuntimeError(f"{name}: no request was answered in {seconds:g} s")
            return found

        return await measure_undisturbed(once, self._tries, self._show_status)


async def wait_for_ok(url: str) -> None:
    """Wait until a server answers with 200, up to 60 seconds."""

    def is_ok() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own, on loopback
                return bool(answer.status == 200)
        except OSError:
            return False

    await wait_until(lambda: asyncio.to_thread(is_ok), every=0.1, timeout=60)


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
