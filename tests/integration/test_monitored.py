"""A monitored script as a process of its own, through each way to the line, read back from the jobs API."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from tests.support.engine import engine
from tests.support.http import http_client
from tests.support.processes import Processes, environment
from tests.support.waiting import wait_until

_SCRIPT: Final = """
import asyncio, json, os
from foldline_client import AppRef, Monitored

app = AppRef("app-1", "processor", "1.0.0")
own_id = os.environ.get("JOB_ID")

@Monitored("fab1", app, sub_key="load")
def load():
    for rows in (10, 20):
        Monitored.current().tick(rows=rows)

@Monitored("fab1", app, sub_key="align")
async def align():
    with Monitored("fab1", app, sub_key="deep"):
        await asyncio.sleep(0)

async def both():
    await asyncio.gather(align(), align())

with Monitored("fab1", app, id=own_id, business_key="batch-123", metadata={"lot": "L1"}) as job:
    load()
    try:
        with job.subjob("publish"):
            raise ConnectionError("no printer")
    except ConnectionError:
        pass
    asyncio.run(both())

print(json.dumps([job.id]), flush=True)
with Monitored("fab1", app, id=own_id and own_id + " again"):
    raise ValueError("bad lot")
"""


class Site:
    """A site with its API, a host's sidecar, and a running engine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.jobs_url = f"http://127.0.0.1:{settings.jobs_port}"
        self.sidecar_url = f"http://127.0.0.1:{settings.sidecar_port}"

    async def run(self, url: str, **variables: str) -> str:
        """Run the script until it ends as it should; the id of its first job."""
        variables = {**environment(self.settings), "FOLDLINE_URL": url, **variables}
        done = await asyncio.to_thread(
            lambda: subprocess.run(
                [sys.executable, "-W", "error", "-c", _SCRIPT],
                env=variables,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        )
        assert done.returncode == 1, done.stderr
        assert done.stderr.endswith("ValueError: bad lot\n")
        assert "facts are lost" not in done.stderr
        (job_id,) = json.loads(done.stdout)
        return str(job_id)

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job, once all that it told is folded."""
        async with http_client(self.jobs_url) as http:

            async def ended() -> dict[str, Any] | None:
                answer = await http.get(f"/v1/jobs/{job_id}")
                found: dict[str, Any] = answer.json()
                return found if answer.status_code == 200 and found["ended_at"] else None

            job: dict[str, Any] = await wait_until(ended, 30)
            return job

    async def failed(self, count: int) -> dict[str, Any]:
        """The newest failed job, once there are `count`."""
        async with http_client(self.jobs_url) as http:

            async def found() -> list[dict[str, Any]] | None:
                items: list[dict[str, Any]] = (await http.get("/v1/jobs?status=failed")).json()["items"]
                return items if len(items) == count else None

            newest: dict[str, Any] = (await wait_until(found))[0]
            return newest


@pytest.fixture
async def site(settings: Settings, tmp_path: Path, processes: Processes) -> AsyncIterator[Site]:
    ports = {name: pick_port("127.0.0.1") for name in ("api_port", "jobs_port", "sidecar_port")}
    made = Site(settings.model_copy(update={**ports, "spool_dir": tmp_path / "spool"}))
    async with engine(made.settings), http_client() as http:
        processes.api(made.settings)
        processes.start("sidecar", ("sidecar",), made.settings)

        async def ready(url: str) -> bool:
            try:
                return bool((await http.get(f"{url}/v1/healthz")).json()["status"] == "ok")
            except httpx.TransportError:
                return False

        for url in (made.jobs_url, made.sidecar_url):
            await wait_until(partial(ready, url), 60, what=url)
        yield made


async def test_a_script_is_told_alike_through_every_way(site: Site) -> None:
    for number, url in enumerate((site.sidecar_url, site.jobs_url, site.settings.nats_url), 1):
        job = await site.job(await site.run(url))
        told = (job["site_id"], job["app_name"], job["job_key"], job["status"], job["attempts"])
        assert told == ("fab1", "processor", "batch-123", "succeeded", 1), url
        assert job["metadata"] == {"lot": "L1"}
        assert job["subjobs_by_status"] == {"running": 0, "succeeded": 5, "failed": 1, "canceled": 0}
        assert 0 < job["duration_s"] < 60
        assert job["mem_max_mb"] > 5
        assert job["cpu_user_s"] >= 0
        subjobs = {subjob["sub_key"]: subjob for subjob in job["subjobs"]}
        keys = sorted(subjob["sub_key"] for subjob in job["subjobs"])
        assert keys == ["align", "align", "deep", "deep", "load", "publish"]
        assert {subjob["job_id"] for subjob in job["subjobs"]} == {job["job_id"]}
        assert subjobs["publish"]["status"] == "failed"
        assert subjobs["publish"]["metadata"] == {"error": "no printer", "error_type": "ConnectionError"}
        assert subjobs["load"]["metrics"]["rows"] == 20
        assert (await site.failed(number))["metadata"] == {"error": "bad lot", "error_type": "ValueError"}


async def test_an_id_that_is_no_token_is_one_job_through_every_way(site: Site) -> None:
    urls = (site.sidecar_url, site.jobs_url, site.settings.nats_url)
    for attempt, url in enumerate(urls, 1):
        await site.run(url, JOB_ID="batch 1.ü")

        async def attempted(attempt: int = attempt) -> bool:
            job = await site.job("batch 1.ü")
            return bool(job["attempts"] == attempt and len(job["subjobs"]) == 6 * attempt)

        await wait_until(attempted, 30, what=url)
