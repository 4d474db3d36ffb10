"""Monitored blocks and functions, as an ingest sees them."""

import asyncio
import inspect
import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from client_ingest_server import Event, IngestServer

from foldline_client import AppRef, Monitored

APP = AppRef("a-1", "processor", "1.0.0")


def monitored(ingest: IngestServer, **arguments: Any) -> Monitored:
    return Monitored("fab1", APP, url=ingest.url, **arguments)


def of(ingest: IngestServer, job: Monitored) -> list[Event]:
    return [event for event in ingest.events if event["entity"]["id"] == job.id]


def test_a_job_tells_its_start_progress_and_end(ingest: IngestServer) -> None:
    metadata = {"lot": "L1"}
    with monitored(ingest, business_key="batch-123", metadata=metadata) as job:
        assert job.running
        assert Monitored.current() is job
        job.tick(rows=100, share=0.5)
        job.tick({"phase": "load"})
    assert not job.running
    assert Monitored.current() is None
    assert ingest.paths == {"/v1/ingest/events:batch"}
    assert ingest.told() == [
        ("job", "started", "running"),
        ("job", "progress", "running"),
        ("job", "progress", "running"),
        ("job", "finished", "succeeded"),
    ]
    started, first, second, finished = ingest.events
    for event in ingest.events:
        assert event["site_id"] == "fab1"
        assert event["app"] == {"app_id": "a-1", "name": "processor", "version": "1.0.0"}
        assert event["entity"] == {"type": "job", "id": job.id, "business_key": "batch-123"}
        assert uuid.UUID(event["idempotency_key"])
        assert datetime.fromisoformat(event["event"]["at"]).tzinfo
    assert uuid.UUID(job.id)
    assert len({event["idempotency_key"] for event in ingest.events}) == 4
    times = [event["event"]["at"] for event in ingest.events]
    assert times == sorted(set(times))
    assert started["event"]["metadata"] == metadata
    assert first["event"]["metrics"] == {"rows": 100, "share": 0.5}
    assert second["event"]["metadata"] == {"phase": "load"}
    assert finished["event"]["metadata"] == {}


def test_the_end_has_what_it_took(ingest: IngestServer) -> None:
    with monitored(ingest):
        wall, processor = time.perf_counter() + 0.05, time.thread_time() + 0.05
        while time.perf_counter() < wall or time.thread_time() < processor:
            pass
    metrics = ingest.events[-1]["event"]["metrics"]
    assert metrics.keys() == {"duration_s", "cpu_user_s", "cpu_system_s", "mem_max_mb"}
    assert 0.05 <= metrics["duration_s"] < 30
    assert 0.05 <= metrics["cpu_user_s"] + metrics["cpu_system_s"] < 30
    assert 5 < metrics["mem_max_mb"] < 100_000


@pytest.mark.parametrize(
    ("error", "kind", "status", "told"),
    [
        (ValueError("bad lot"), "finished", "failed", {"error": "bad lot", "error_type": "ValueError"}),
        (KeyError(), "finished", "failed", {"error": "KeyError", "error_type": "KeyError"}),
        (SystemExit(3), "finished", "failed", {"error": "3", "error_type": "SystemExit"}),
        (SystemExit(0), "finished", "succeeded", {}),
        (
            KeyboardInterrupt(),
            "canceled",
            "canceled",
            {"error": "KeyboardInterrupt", "error_type": "KeyboardInterrupt"},
        ),
    ],
)
def test_what_leaves_the_block_is_told_and_passes_through(
    ingest: IngestServer, error: BaseException, kind: str, status: str, told: dict[str, str]
) -> None:
    with pytest.raises(type(error)) as caught, monitored(ingest):
        raise error
    assert caught.value is error
    event = ingest.events[-1]["event"]
    assert (event["kind"], event["status"], event["metadata"]) == (kind, status, told)
    assert event["metrics"]["duration_s"] >= 0


def test_a_huge_message_does_not_cost_the_end(ingest: IngestServer) -> None:
    with pytest.raises(ValueError, match="x"), monitored(ingest):
        raise ValueError("x" * 3_000_000)
    assert len(ingest.events[-1]["event"]["metadata"]["error"]) == 8_192


def test_inside_another_it_is_a_subjob_of_the_outermost(ingest: IngestServer) -> None:
    with monitored(ingest) as job:
        with monitored(ingest, sub_key="one") as one, monitored(ingest, sub_key="deep") as deep:
            assert Monitored.current() is deep
        with pytest.raises(ZeroDivisionError), job.subjob("two", metadata={"n": 2}) as two:
            _ = 1 / 0
        assert Monitored.current() is job
    entities = {event["entity"]["id"]: event["entity"] for event in ingest.events}
    assert entities == {
        job.id: {"type": "job", "id": job.id},
        one.id: {"type": "subjob", "id": one.id, "parent_id": job.id, "sub_key": "one"},
        deep.id: {"type": "subjob", "id": deep.id, "parent_id": job.id, "sub_key": "deep"},
        two.id: {"type": "subjob", "id": two.id, "parent_id": job.id, "sub_key": "two"},
    }
    assert [event["event"]["status"] for event in of(ingest, two)] == ["running", "failed"]
    assert of(ingest, two)[0]["event"]["metadata"] == {"n": 2}
    assert of(ingest, job)[-1]["event"]["status"] == "succeeded"
    assert ingest.events[-1]["entity"]["id"] == job.id


def test_told_otherwise_it_is_not(ingest: IngestServer) -> None:
    with monitored(ingest, id="outer"):
        with monitored(ingest, id="own", entity_type="job"), monitored(ingest, id="part of own"):
            pass
        with monitored(ingest, id="of another", parent_id="elsewhere"), monitored(ingest, id="its part"):
            pass
        with monitored(ingest, id="said twice", entity_type="subjob", parent_id="outer"):
            pass
    with monitored(ingest, id="without a job", entity_type="subjob"):
        pass
    assert {e["entity"]["id"]: e["entity"].get("parent_id") for e in ingest.events} == {
        "outer": None,
        "own": None,
        "part of own": "own",
        "of another": "elsewhere",
        "its part": "elsewhere",
        "said twice": "outer",
        "without a job": None,
    }


def test_a_subjob_goes_with_its_job(ingest: IngestServer) -> None:
    with (
        monitored(ingest) as job,
        Monitored("other", AppRef("b", "tool"), url="nats://127.0.0.1:1") as part,
    ):
        pass
    started, finished = of(ingest, part)
    assert (started["site_id"], started["app"]) == ("fab1", {"app_id": "b", "name": "tool"})
    assert finished["entity"]["parent_id"] == job.id


def test_threads_are_told_their_job(ingest: IngestServer) -> None:
    def work(number: int) -> None:
        with job.subjob(f"part {number}") as part:
            part.tick(number=number)

    with monitored(ingest) as job:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(20)))
        thread = threading.Thread(
            target=lambda: monitored(ingest, id="alone").__enter__().__exit__(None, None, None)
        )
        thread.start()
        thread.join()
    parts = [e for e in ingest.events if e["entity"]["type"] == "subjob"]
    assert {e["entity"]["parent_id"] for e in parts} == {job.id}
    by_part = itertools.groupby(
        sorted(parts, key=lambda e: str(e["entity"]["id"])), lambda e: e["entity"]["id"]
    )
    kinds = [[e["event"]["kind"] for e in events] for _, events in by_part]
    assert kinds == [["started", "progress", "finished"]] * 20
    assert [e["entity"] for e in ingest.events if e["entity"]["id"] == "alone"] == [
        {"type": "job", "id": "alone"}
    ] * 2


async def test_asyncio_tasks_are_parts_of_the_job_that_starts_them(ingest: IngestServer) -> None:
    async def part(number: int) -> str:
        async with monitored(ingest, sub_key=str(number)) as found:
            await asyncio.sleep(0)
            assert Monitored.current() is found
            with monitored(ingest, sub_key="plain"):
                pass
            return found.id

    async with monitored(ingest) as job:
        ids = await asyncio.gather(*(part(n) for n in range(5)))
        assert Monitored.current() is job
    assert len(set(ids)) == 5
    parts = [e["entity"] for e in ingest.events if e["entity"]["id"] != job.id]
    assert len(parts) == 20
    assert {entity["parent_id"] for entity in parts} == {job.id}
    assert ingest.events[-1]["entity"]["id"] == job.id


async def test_a_cancelled_task_is_canceled(ingest: IngestServer) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with monitored(ingest):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ingest.told()[-1] == ("job", "canceled", "canceled")


async def test_a_task_that_outlives_its_job_makes_jobs_of_its_own(ingest: IngestServer) -> None:
    over = asyncio.Event()

    async def late() -> None:
        await over.wait()
        assert Monitored.current() is None
        async with monitored(ingest, id="late"):
            pass

    async with monitored(ingest):
        task = asyncio.create_task(late())
    over.set()
    await task
    assert ingest.events[-1]["entity"] == {"type": "job", "id": "late"}


def test_decorated_functions(ingest: IngestServer) -> None:
    @monitored(ingest, business_key="outer")
    def outer(count: int, *, fail: bool = False) -> list[str]:
        """Its text."""
        job = Monitored.current()
        assert job is not None
        job.tick(count=count)
        return [inner(fail) for _ in range(count)]

    @monitored(ingest, sub_key="inner")
    def inner(fail: bool) -> str:
        if fail:
            raise LookupError("none")
        job = Monitored.current()
        assert job is not None
        return job.id

    assert (outer.__name__, outer.__doc__) == ("outer", "Its text.")
    assert len(set(outer(2) + outer(1))) == 3
    with pytest.raises(LookupError):
        outer(1, fail=True)
    jobs = [e["entity"]["id"] for e in ingest.events if e["entity"]["type"] == "job"]
    assert len(set(jobs)) == 3
    ends = [e["event"]["status"] for e in ingest.events if e["event"]["kind"] == "finished"]
    assert ends == ["succeeded"] * 5 + ["failed"] * 2


async def test_decorated_coroutines(ingest: IngestServer) -> None:
    @monitored(ingest)
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    assert inspect.iscoroutinefunction(double)
    assert await asyncio.gather(double(1), double(2)) == [2, 4]
    assert sorted(ingest.told()) == sorted(
        [("job", "started", "running"), ("job", "finished", "succeeded")] * 2
    )


def test_generators_cannot_be_decorated(ingest: IngestServer) -> None:
    def rows() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        monitored(ingest)(rows)


def test_entered_again_it_is_another_job_or_another_attempt(ingest: IngestServer) -> None:
    job = monitored(ingest)
    attempt = monitored(ingest, id="J1")
    found = set()
    for _ in range(2):
        with job:
            found.add(job.id)
        with attempt, pytest.raises(RuntimeError, match="runs already"):
            attempt.__enter__()
    assert len(found) == 2
    assert [e["event"]["kind"] for e in of(ingest, attempt)] == ["started", "finished"] * 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"site_id": "fab 1"}, ValueError),
        ({"app": "processor"}, TypeError),
        ({"entity_type": "task"}, ValueError),
        ({"id": ""}, ValueError),
        ({"id": "a\nb"}, ValueError),
        ({"parent_id": "ü" * 257}, ValueError),
        ({"url": "ftp://host"}, ValueError),
        ({"metadata": ["a"]}, TypeError),
        ({"unknown": 1}, TypeError),
    ],
)
def test_wrong_arguments_raise_when_it_is_made(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Monitored(**{"site_id": "fab1", "app": APP, **arguments})
    with pytest.raises(ValueError, match="name"):
        AppRef("a", "")


def test_odd_values_do_not_stop_the_job(ingest: IngestServer, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __float__(self) -> float:
            raise OSError("no")

    with monitored(ingest, id="J ü") as job:
        job.tick(nan=float("nan"), text="x", broken=Broken(), fine=1, huge=10**400)  # type: ignore[arg-type]
        job.tick("no mapping")  # type: ignore[arg-type]
        job.tick({"when": datetime(2026, 1, 1), "bad": "\ud800", "nan": float("nan")})  # noqa: DTZ001
    job.tick(late=1)
    metrics = [event["event"]["metrics"] for event in ingest.events if event["event"]["kind"] == "progress"]
    assert metrics == [{"fine": 1}, {}]
    assert ingest.events[2]["event"]["metadata"] == {
        "when": "2026-01-01T00:00:00",
        "bad": "\ufffd",
        "nan": "NaN",
    }
    assert len(ingest.events) == 4
    assert "left out: nan, text, broken, huge" in caplog.text
    assert "its event 'progress' is not recorded" in caplog.text
    assert "does not run" in caplog.text
