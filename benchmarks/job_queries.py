"""Queries of operators over many jobs: every kind of filter, with changing values."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from runtime.database.connections import connect
from runtime.database.queries import load_queries
from runtime.settings.processes import UpSettings

_LIST: Final = "/v1/jobs?limit=100"
_WALK: Final = "&sort=-opened_at"
_PLACES: Final = 20
_SCRIPT: Final = """
local paths = {%s}
local number = 0
function request()
    number = number %% #paths + 1
    return wrk.format("GET", paths[number])
end
"""


async def store_jobs(config: UpSettings, count: int) -> None:
    """Write `count` jobs into the read model, one for each second until now. They were never on the line."""
    queries = load_queries("benchmarks", "job_rows.sql", schema="jobs")
    async with await connect(config, name="bench-jobs") as conn:
        await conn.execute(queries["jobs"], {"count": count})
        await conn.execute(queries["applications"])
        await conn.execute(queries["durations"])
        await conn.execute(b"vacuum analyze")
        # Gigabytes at once would go to the disk for minutes, while lists are measured.
        await conn.execute(b"checkpoint")


def list_queries(url: str, count: int) -> Iterator[tuple[str, list[str]]]:
    """Names of queries, each with the paths that are asked for in turn."""
    now = datetime.now(UTC)
    places = [now - timedelta(seconds=count * place / _PLACES) for place in range(1, _PLACES)]
    hours = [f"&from={_time(at)}&to={_time(at + timedelta(hours=1))}" for at in places]
    yield "newest", [""]
    yield "status", ["&status=failed"]
    yield "part of app_name, one", [f"&app_name=TION%20{app}" for app in range(100, 200)]
    yield "part of app_name, many", ["&app_name=tion%201"]
    yield "from and to", hours
    yield "metadata, common", [f"&metadata.host=h{host}" for host in range(32)]
    yield "metadata, rare", [f"&metadata.recipe=r{recipe}" for recipe in range(0, 4_000, 40)]
    yield "job_key", [f"&job_key=batch-{count // 4 * place // 100}" for place in range(1, 100)]
    yield "stalled", ["&stalled=true"]
    yield "outliers", ["&outliers=true"]
    yield "cursor", [f"{_WALK}&cursor={quote(_cursor(url, at))}" for at in places]
    yield "longest", ["&sort=-duration_s"]
    yield (
        "ran then",
        [
            f"&started_before={_time(at + timedelta(hours=1))}&ended_after={_time(at)}&sort=started_at"
            for at in places
        ],
    )


def lua_script(paths: list[str]) -> str:
    """Make the script by which wrk asks for the paths in turn."""
    return _SCRIPT % ", ".join(json.dumps(_LIST + path) for path in paths)


def _cursor(url: str, before: datetime) -> str:
    """The cursor behind the newest job that was opened before that time."""
    asked = f"{url}/v1/jobs?limit=1{_WALK}&opened_before={_time(before)}"
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own, on loopback
        return str(json.load(answer)["next_cursor"])


def _time(at: datetime) -> str:
    return quote(at.isoformat())
