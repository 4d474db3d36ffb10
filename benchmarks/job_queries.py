"""What operators ask for among many jobs: every kind of filter, with values that change."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from runtime.database.connections import connect
from runtime.database.queries import load_queries
from runtime.settings import Settings

_LIST: Final = "/v1/jobs?limit=100"
_PLACES: Final = 20
_ASKING: Final = """
local paths = {%s}
local number = 0
function request()
    number = number %% #paths + 1
    return wrk.format("GET", paths[number])
end
"""


async def fill(config: Settings, count: int) -> None:
    """So many jobs in the read model, one a second until now. They were never on the line."""
    queries = load_queries("benchmarks", "job_rows.sql", schema="jobs")
    async with await connect(config, name="bench-jobs") as conn:
        await conn.execute(queries["jobs"], {"count": count})
        await conn.execute(queries["applications"])
        await conn.execute(queries["durations"])
        await conn.execute(b"vacuum analyze")
        # Gigabytes in one go: they would be on their way to the disk for minutes, beside what is asked.
        await conn.execute(b"checkpoint")


def questions(url: str, count: int) -> Iterator[tuple[str, list[str]]]:
    """Names of queries, and the paths of each that are asked in turn."""
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
    yield "cursor", [f"&cursor={quote(_cursor(url, at))}" for at in places]


def asking(paths: list[str]) -> str:
    """For wrk: the paths in turn."""
    return _ASKING % ", ".join(json.dumps(_LIST + path) for path in paths)


def _cursor(url: str, before: datetime) -> str:
    """The place behind the newest job that was last heard of before that time."""
    asked = f"{url}/v1/jobs?limit=1&to={_time(before)}"
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own, on loopback
        return str(json.load(answer)["next_cursor"])


def _time(at: datetime) -> str:
    return quote(at.isoformat())
