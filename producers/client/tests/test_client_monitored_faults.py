"""Monitored while the line is away, slow or refuses: the job goes on, and what can be sent is not lost."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from client_ingest_server import IngestServer
from client_waiting import wait_until

from foldline_client import AppRef, Monitored

APP = AppRef("a-1", "processor")
FAST: dict[str, Any] = {"retry_first": 0.02, "retry_max": 0.2}
CLIENT = Path(__file__).parent.parent


def python(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(CLIENT), "PYTHONWARNINGS": "error", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_server_that_comes_late_gets_everything_in_order(bare_ingest: IngestServer) -> None:
    job = Monitored("fab1", APP, url=bare_ingest.url, flush_timeout=0.2, **FAST)
    with job, job.subjob("part") as part:
        for number in range(20):
            part.tick(n=number)
    assert not bare_ingest.events
    bare_ingest.start()
    wait_until(lambda: len(bare_ingest.events) == 24)
    kinds = [(event["entity"]["type"], event["event"]["kind"]) for event in bare_ingest.events]
    assert kinds == [
        ("job", "started"),
        ("subjob", "started"),
        *[("subjob", "progress")] * 20,
        ("subjob", "finished"),
        ("job", "finished"),
    ]
    assert [event["event"]["metrics"]["n"] for event in bare_ingest.events[2:22]] == list(range(20))


def test_what_is_sent_again_has_the_same_keys(ingest: IngestServer) -> None:
    ingest.deaf = 2
    with Monitored("fab1", APP, url=ingest.url, **FAST) as job:
        job.tick(n=1)
    keys = [[event["idempotency_key"] for event in batch] for batch in ingest.batches]
    assert keys[0] == keys[1] == keys[2][: len(keys[0])]
    assert [kind for _, kind, _ in ingest.told()] == ["started", "progress", "finished"]


def test_busy_answers_are_tried_again(ingest: IngestServer) -> None:
    ingest.answers = [(503, {"Retry-After": "0.3"}), (429, {}), (500, {})]
    started = time.monotonic()
    with Monitored("fab1", APP, url=ingest.url, **FAST) as job:
        pass
    assert time.monotonic() - started >= 0.3
    assert [kind for _, kind, _ in ingest.told()] == ["started", "finished"]
    stats = job.get_stats()
    assert stats is not None
    assert stats["rejected"] == 0


def test_what_is_refused_does_not_cost_the_rest(
    ingest: IngestServer, caplog: pytest.LogCaptureFixture
) -> None:
    ingest.wrong = lambda event: event["event"]["metrics"].get("n") == 1
    with Monitored("fab1", APP, url=ingest.url) as job:
        for number in range(3):
            job.tick(n=number)
    ticks = [
        event["event"]["metrics"]["n"] for event in ingest.events if event["event"]["kind"] == "progress"
    ]
    assert ticks == [0, 2]
    stats = job.get_stats()
    assert stats is not None
    assert (stats["rejected"], stats["delivered"]) == (1, 4)
    assert f"progress of job {job.id}: wrong" in caplog.text


def test_a_batch_refused_as_a_whole_is_sent_one_by_one(ingest: IngestServer) -> None:
    with Monitored("fab1", APP, url=ingest.url) as job:
        wait_until(lambda: ingest.events)
        ingest.answers = [(503, {"Retry-After": "0.2"}), (413, {}), (413, {})]
        for number in range(3):
            job.tick(n=number)
    assert [len(batch) for batch in ingest.batches][-1] == 1
    stats = job.get_stats()
    assert stats is not None
    assert stats["rejected"] == 1


def test_another_kind_of_server_is_not_taken_for_an_ingest() -> None:
    script = """
        import http.server, sys, threading, time
        from foldline_client import AppRef, Monitored
        class Page(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<html>")
            def log_message(self, *_):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with Monitored("fab1", AppRef("a", "b"), url=url, flush_timeout=0, exit_timeout=0.1) as job:
            pass
        while not job.get_stats()["retries"]:
            time.sleep(0.01)
        server.shutdown()
        server.server_close()
    """
    done = python(script)
    assert done.returncode == 0
    assert "neither a sidecar nor a site's API answers there" in done.stderr
    assert "2 facts are lost with the process" in done.stderr


def test_the_example_in_the_readme_runs(ingest: IngestServer) -> None:
    blocks = (CLIENT / "README.md").read_text().split("```")
    [example] = [block.removeprefix("python") for block in blocks if "Monitored(" in block]
    done = python(example, FOLDLINE_URL=ingest.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert ingest.told() == [
        ("job", "started", "running"),
        ("subjob", "started", "running"),
        ("subjob", "progress", "running"),
        ("subjob", "finished", "succeeded"),
        ("subjob", "started", "running"),
        ("subjob", "finished", "failed"),
        ("job", "finished", "succeeded"),
    ]


def test_a_server_that_is_down_costs_one_time_out_and_nothing_more() -> None:
    script = """
        import time
        from foldline_client import AppRef, Monitored
        started = time.monotonic()
        for number in range(50):
            with Monitored("fab1", AppRef("a", "b"), flush_timeout=0.5, exit_timeout=0.1) as job:
                job.tick(n=number)
                with job.subjob("part"):
                    pass
        took = time.monotonic() - started
        while not job.get_stats()["retries"]:  # on a busy machine the first try takes longer than all this
            time.sleep(0.01)
        print(took, job.get_stats()["queued"])
    """
    done = python(script, FOLDLINE_URL="", SIDECAR_URL="http://127.0.0.1:1")
    assert done.returncode == 0
    took, queued = done.stdout.split()
    assert 0.5 <= float(took) < 10
    assert queued == "250"
    assert done.stderr.count("does not answer") == 1
    assert "250 facts are lost with the process" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_buffer_keeps_the_starts_and_ends(
    bare_ingest: IngestServer, caplog: pytest.LogCaptureFixture
) -> None:
    with Monitored("fab1", APP, url=bare_ingest.url, flush_timeout=0, buffer_items=10, **FAST) as job:
        for number in range(50):
            job.tick(n=number)
    stats = job.get_stats()
    assert stats is not None
    assert stats["dropped"] >= 40
    assert caplog.text.count("the buffer is full") == 1
    bare_ingest.start()
    wait_until(lambda: bare_ingest.events and bare_ingest.events[-1]["event"]["kind"] == "finished")
    assert bare_ingest.events[0]["event"]["kind"] == "started"
    assert len(bare_ingest.events) == 52 - stats["dropped"]


def test_a_wrong_address_in_the_environment_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FOLDLINE_URL", "localhost:8000")
    with Monitored("fab1", APP) as job:
        job.tick(n=1)
        assert Monitored.current() is job
    assert job.get_stats() is None
    assert "jobs are not monitored" in caplog.text


async def test_a_plain_block_does_not_hold_up_the_loop(bare_ingest: IngestServer) -> None:
    started = time.monotonic()
    with Monitored("fab1", APP, url=bare_ingest.url, flush_timeout=30, **FAST):
        pass
    assert time.monotonic() - started < 15
    bare_ingest.start()
    async with Monitored("fab1", APP, url=bare_ingest.url, flush_timeout=30, **FAST):
        pass
    assert len(bare_ingest.events) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_children_are_parts_of_the_job(ingest: IngestServer) -> None:
    script = """
        import multiprocessing, sys, warnings
        from foldline_client import AppRef, Monitored
        def work(number):
            with Monitored("fab1", AppRef("a", "b"), sub_key=str(number)):
                pass
        with Monitored("fab1", AppRef("a", "b"), url=sys.argv[1]), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
    """
    done = python(script, ingest.url)
    assert (done.returncode, done.stderr) == (0, "")
    jobs = {event["entity"]["id"] for event in ingest.events if event["entity"]["type"] == "job"}
    parts = [event["entity"] for event in ingest.events if event["entity"]["type"] == "subjob"]
    assert len(jobs) == 1
    assert {entity["parent_id"] for entity in parts} == jobs
    assert sorted(entity["sub_key"] for entity in parts) == ["0", "0", "1", "1", "2", "2"]
    assert len(ingest.events) == 8
