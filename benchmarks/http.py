"""HTTP: our routes and routes that do nothing, by the same server under the same client."""

import asyncio
import json
import urllib.request
from contextlib import AsyncExitStack
from statistics import mean, median
from typing import Final, NamedTuple

from benchmarks import wrk
from benchmarks.children import running
from benchmarks.figures import Figures
from benchmarks.live import CONSUMER
from benchmarks.say import Say, until
from benchmarks.sizes import Sizes
from benchmarks.undisturbed import undisturbed
from foldline.embedded.ports import pick_port
from runtime.settings import Settings

_SESSIONS: Final = 1_000
_LEAST: Final = 0.40  # of a bare route, with the most connections
_BODY: Final = (
    '{"name":"opened","level":"info","data":{"path":"/some/file/name.txt","n":12345},"category":"files"}'
)
_POST: Final = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
"""
_EVENTS: Final = (
    _POST
    + """
wrk.headers["Foldline-Wait"] = "%d"
local number = 0
local run = os.time() .. "-"
function request()
    number = number + 1
    wrk.headers["Idempotency-Key"] = run .. number
    return wrk.format(nil, "/api/sessions/bench-" .. (number %% %d) .. "/events")
end
"""
)
_GETS: Final = """
local number = 0
function request()
    number = number + 1
    return wrk.format("GET", "/api/sessions/bench-" .. (number %% %d))
end
"""


class Asked(NamedTuple):
    """What the HTTP client asks for. `least`: what share of the limit it is compared with it has to be."""

    name: str
    url: str
    script: str = ""
    least: float | None = None


class Runs:
    """Runs of the HTTP client, and the figures they give."""

    def __init__(self, figures: Figures, say: Say, sizes: Sizes) -> None:
        self._figures = figures
        self._say = say
        self._seconds = sizes.http_s
        self._turns = sizes.turns
        self._connections = sizes.connections

    async def compare(self, config: Settings) -> None:
        """Requests a second and latencies by connections, and their share of bare routes."""
        port = pick_port("127.0.0.1")
        bare, ours = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{config.api_port}"
        async with AsyncExitStack() as stack:
            for program in (("-m", "benchmarks.bare", str(port)), ("-m", "foldline", "api"), CONSUMER):
                await stack.enter_async_context(running(config, *program))
            await answers(f"{bare}/constant")
            await answers(f"{ours}/ready")
            await asyncio.to_thread(_create, ours)
            for connections in self._connections:
                least = _LEAST if connections == max(self._connections) else None
                await self._share(
                    connections,
                    Asked("bare GET", f"{bare}/constant"),
                    Asked("GET of a session", ours, _GETS % _SESSIONS, least),
                )
                await self._share(
                    connections,
                    Asked("bare POST", f"{bare}/body", _POST % _BODY),
                    Asked("durable POST", ours, _EVENTS % (_BODY, 0, _SESSIONS), least),
                    Asked("durable POST, readable", ours, _EVENTS % (_BODY, 1_000, _SESSIONS)),
                )

    async def grown(self, config: Settings, count: int, name: str, sessions: int) -> None:
        """Latencies of a session and of a page of 50, one connection, while `count` events are stored."""
        script = _GETS.replace("bench-", f"{name}-") % sessions
        url = f"http://127.0.0.1:{config.api_port}"
        async with running(config, "-m", "foldline", "api"):
            await answers(f"{url}/health")
            page = f"{url}/api/data/sessions?limit=50"
            for what, asked, lua in (("GET", url, script), ("page", page, "")):
                found = await self._load(f"{count:,} events: {what}", 1, asked, lua)
                note = f"p50 {found.p50:.1f} ms"
                self._figures.add(f"growth {count:,}: {what}, p99", found.p99, "ms", note=note)

    async def _share(self, connections: int, limit: Asked, *others: Asked) -> None:
        """In turns: others may slow down the machine for one of them."""
        each = (limit, *others)
        found: dict[str, list[wrk.Load]] = {asked.name: [] for asked in each}
        for _ in range(self._turns):
            for asked in each:
                name = f"{asked.name}, {connections} connections"
                seconds = self._seconds / self._turns
                found[asked.name].append(
                    await self._load(name, connections, asked.url, asked.script, seconds)
                )
        for asked in each:
            loads = found[asked.name]
            p50, p99 = median(load.p50 for load in loads), median(load.p99 for load in loads)
            self._figures.add(
                f"{asked.name}, {connections} conn.",
                mean(load.rate for load in loads),
                "requests/s",
                of="" if asked is limit else f"{limit.name}, {connections} conn.",
                least=asked.least,
                note=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            )

    async def _load(
        self, name: str, connections: int, url: str, script: str, seconds: float | None = None
    ) -> wrk.Load:
        self._say(name)
        asked_s = seconds or self._seconds

        async def once() -> wrk.Load:
            found = await wrk.load(url, connections=connections, seconds=asked_s, script=script)
            if found.bad:
                raise RuntimeError(f"{name}: {found.bad} requests failed")
            if not found.rate:
                raise RuntimeError(f"{name}: nothing was answered in {asked_s:g} s")
            return found

        return await undisturbed(once, self._turns, self._say)


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
