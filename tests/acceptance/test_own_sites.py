"""The central endpoints of the jobs reference, against `foldline up --sites fab1,fab2`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.acceptance.stack import running_sites
from tests.acceptance.test_documented_jobs import DOCUMENTED, event
from tests.support.http import sync_http_client
from tests.support.processes import ROOT
from tests.support.waiting import wait_until_sync


class Federation:
    """Clients of what runs."""

    def __init__(self, told: dict[str, Any], stack: ExitStack) -> None:
        def client(url: str) -> httpx.Client:
            return stack.enter_context(sync_http_client(url, timeout=60))

        self.told = told
        self.centre = client(told["centre"]["central_url"])
        self.sites = {site["site"]: client(site["jobs_url"]) for site in told["sites"]}
        self.sidecars = {site["site"]: client(site["sidecar_url"]) for site in told["sites"]}


@pytest.fixture(scope="module")
def federation() -> Iterator[Federation]:
    with running_sites("fab1", "fab2") as told, ExitStack() as stack:
        yield Federation(told, stack)


def test_jobs_and_subjobs_of_a_site(federation: Federation, unique: str) -> None:
    for site, local in federation.sites.items():
        started, part = event(unique, 1), event(unique, 2)
        part["entity"] |= {"type": "subjob", "id": f"{unique}-part", "parent_id": unique, "sub_key": "part-1"}
        events = [one | {"site_id": site} for one in (started, part)]
        assert local.post("/v1/ingest/events:batch", json=events).json()["success"] == 2
        done = event(unique, 3, kind="finished", status="succeeded") | {"site_id": site}
        assert federation.sidecars[site].post("/v1/ingest/events", json=done).json() == {"ok": True}
    for site in federation.sites:
        query = {"site": site, "status": "succeeded", "app_name": "app", "limit": 1000}

        def arrived(query: dict[str, Any] = query) -> list[dict[str, Any]]:
            answer = federation.centre.get("/v1/jobs", params=query)
            assert answer.status_code == 200, answer.text
            assert answer.json()["count"] == len(answer.json()["items"])
            return [item for item in answer.json()["items"] if item["job_id"] == unique]

        (job,) = wait_until_sync(arrived, 60)
        assert job.keys() >= DOCUMENTED
        assert (job["site_id"], job["job_key"]) == (site, "batch-123")
        (subjob,) = federation.centre.get("/v1/subjobs", params={"site": site, "job_id": unique}).json()[
            "items"
        ]
        assert subjob["subjob_id"] == f"{unique}-part"
    assert federation.centre.get("/v1/jobs").status_code == 422
    unknown = federation.centre.get("/v1/jobs", params={"site": "fab9"})
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "no site 'fab9': known are fab1, fab2"})


def test_sites_and_health(federation: Federation) -> None:
    sites = federation.centre.get("/v1/sites").json()
    endpoints = {site["site"]: site["jobs_url"] for site in federation.told["sites"]}
    assert {one["id"]: one["endpoint"] for one in sites["sites"]} == endpoints
    assert sites["count"] == 2
    health = federation.centre.get("/v1/healthz").json()
    assert (health["status"], health["service"]) == ("ok", "central-api")
    assert {"version"} <= health.keys()
    assert {name: (one["status"], one["endpoint"]) for name, one in health["sites"].items()} == {
        name: ("ok", endpoint) for name, endpoint in endpoints.items()
    }
    assert federation.centre.get("/metrics").status_code == 200


@pytest.mark.parametrize("names", ["", "fab1,fab1", "fab.1", "centre,fab1"])
def test_names_that_are_none(names: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "foldline", "up", "--ephemeral", "--sites", names],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("foldline: ")
    assert "Traceback" not in done.stderr
