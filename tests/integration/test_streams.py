"""The line's streams on a real server: they grow, and a shared one holds several entities."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError

from foldline.settings import Settings
from line.jetstream import request_api, stream_info
from line.problems import LineProblem
from line.streams import ensure_stream, prepare_line
from schemas.sessions.streams import SESSIONS
from schemas.stored_subjects import entity_filter, stored_form
from schemas.subjects import partition_of
from tests.support.settings import PARTITIONS
from tests.support.toy_families import ACCOUNTS, TOYS


async def config(nc: Client, stream: str = SESSIONS.name) -> dict[str, Any]:
    found: dict[str, Any] = (await stream_info(nc, stream))["config"]
    return found


async def change(nc: Client, **changes: Any) -> None:
    answer = await request_api(nc, f"STREAM.UPDATE.{SESSIONS.name}", await config(nc) | changes)
    assert "error" not in answer, answer


async def test_a_stream_that_lacks_something_grows_and_says_so(
    nc: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    whole = await config(nc)
    ack = await nc.jetstream().publish("ev.local.session.S1.event", b'{"name":"n"}')
    fewer = [one for one in whole["subjects"] if not one.endswith(".metric")]
    await change(nc, subjects=fewer, allow_direct=False, allow_atomic=False)
    with pytest.raises(NoStreamResponseError):
        await nc.jetstream().publish("ev.local.session.S1.metric", b"{}")
    with caplog.at_level(logging.INFO, "foldline.line"):
        await prepare_line(nc, settings)
    after = await config(nc)
    assert sorted(after["subjects"]) == sorted(whole["subjects"])
    assert after == whole | {"subjects": after["subjects"]}
    assert "stream SESSIONS grows: takes ev.*.session.*.metric as well; allow_direct is True" in caplog.text
    again = await nc.jetstream().publish("ev.local.session.S1.metric", b'{"name":"n","value":1}')
    assert again.seq == ack.seq + 1


async def test_programs_of_two_versions_make_a_stream_at_the_same_moment(nc: Client) -> None:
    newer = TOYS.config(ACCOUNTS, partitions=PARTITIONS, replicas=1)
    older = newer | {"subjects": newer["subjects"][:1]}
    deadline = time.monotonic() + 30
    for _ in range(10):
        await asyncio.gather(*(ensure_stream(nc, one, deadline) for one in (older, newer, older, newer)))
        assert sorted((await config(nc, ACCOUNTS.name))["subjects"]) == sorted(newer["subjects"])
        await request_api(nc, f"STREAM.DELETE.{ACCOUNTS.name}")


async def test_what_a_newer_program_added_stays(
    nc: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    wider = [*(await config(nc))["subjects"], "ev.*.session.*.renamed"]
    await change(nc, subjects=wider)
    with caplog.at_level(logging.INFO, "foldline.line"):
        await prepare_line(nc, settings)
    assert (await config(nc))["subjects"] == wider
    assert "grows" not in caplog.text


async def test_another_difference_is_refused_with_advice(nc: Client, settings: Settings) -> None:
    before = await config(nc)
    await change(nc, max_age=3_600 * 10**9)
    with pytest.raises(LineProblem, match=r"max_age is 3600000000000, declared 0 \(how long a fact is kept"):
        await prepare_line(nc, settings)
    await change(nc, max_age=0)
    await prepare_line(nc, settings)
    assert await config(nc) == before


async def test_facts_that_another_stream_takes_cannot_be_added(nc: Client, settings: Settings) -> None:
    whole = (await config(nc))["subjects"]
    await change(nc, subjects=whole[1:])
    rival = {"name": "RIVAL", "subjects": ["ev.*.session.*.created"]}
    assert "error" not in await request_api(nc, "STREAM.CREATE.RIVAL", rival)
    try:
        with pytest.raises(LineProblem, match="stream SESSIONS: subjects overlap"):
            await prepare_line(nc, settings)
    finally:
        await request_api(nc, "STREAM.DELETE.RIVAL")


@pytest.fixture
async def accounts(nc: Client) -> AsyncIterator[Client]:
    """The line with the stream of the toy families."""
    declared = TOYS.config(ACCOUNTS, partitions=PARTITIONS, replicas=1)
    answer = await request_api(nc, f"STREAM.CREATE.{ACCOUNTS.name}", declared)
    assert "error" not in answer, answer
    yield nc
    await request_api(nc, f"STREAM.DELETE.{ACCOUNTS.name}")


async def test_a_shared_stream_partitions_by_the_id_of_any_entity(accounts: Client) -> None:
    js = accounts.jetstream()
    for number in range(200):
        for entity, fact in (("user", "created"), ("name", "claimed")):  # with equal ids
            subject = f"ev.local.{entity}.id-{number}.{fact}"
            ack = await js.publish(subject, json.dumps({"n": number}).encode())
            message = await js.get_msg(ACCOUNTS.name, ack.seq)
            part = partition_of(f"id-{number}", PARTITIONS)
            assert message.subject == f"ev.{part}.local.{entity}.id-{number}.{fact}"
            assert message.subject == stored_form(subject, PARTITIONS)
    for entity in ("user", "name"):
        found = await js.get_last_msg(ACCOUNTS.name, entity_filter("local", entity, "id-7", PARTITIONS))
        assert (found.subject or "").split(".")[3] == entity


async def test_a_shared_stream_takes_its_facts_by_name_only(accounts: Client) -> None:
    for subject in ("ev.local.user.U1.claimed", "ev.local.other.U1.created", "ev.local.name.N.created"):
        with pytest.raises(NoStreamResponseError):
            await accounts.jetstream().publish(subject, b"{}")
    held = await config(accounts, ACCOUNTS.name)
    assert "error" not in await request_api(accounts, f"STREAM.UPDATE.{ACCOUNTS.name}", held)
