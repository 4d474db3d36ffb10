"""Calls of JetStream's API: an answer is an answer, and a cancellation is one as well."""

import asyncio

import pytest
from nats.aio.client import Client

from line.jetstream import ErrorCode, request_api


async def test_an_error_is_an_answer(nc: Client) -> None:
    answer = await request_api(nc, "STREAM.INFO.NOWHERE")
    assert answer["error"]["err_code"] == ErrorCode.STREAM_NOT_FOUND


async def test_a_cancellation_together_with_the_answer_is_not_lost(nc: Client) -> None:
    await nc.request("$JS.API.INFO", b"")  # the client opens its inbox
    calling = asyncio.create_task(request_api(nc, "STREAM.INFO.SESSIONS"))
    while not nc._resp_map:  # noqa: ASYNC110 - no pause: the answer comes within a millisecond
        await asyncio.sleep(0)
    (reply,) = nc._resp_map.values()
    reply.add_done_callback(lambda _: calling.cancel())
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_a_task_that_was_cancelled_before_may_still_call(nc: Client) -> None:
    """To leave in good order."""
    answers = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            answers.append(await request_api(nc, "STREAM.INFO.SESSIONS"))

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert answers[0]["config"]["name"] == "SESSIONS"
