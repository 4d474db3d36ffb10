"""`foldline tail FILTER`: what is on the line, and what arrives."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from foldline.cli.session import bus, command_settings, printable, run
from runtime.delivery import parse_delivery
from runtime.problems import Problem
from schemas.facts import published_subject
from schemas.subjects import overlaps, published_form, stored_form
from schemas.times import format_time, parse_time
from schemas.validation import InvalidFact


def tail(
    subjects: Annotated[
        str, typer.Argument(metavar="FILTER", help="As published: * one token, > the rest.")
    ] = "ev.>",
    everything: Annotated[bool, typer.Option("--all", help="Begin with the oldest stored event.")] = False,
    since: Annotated[
        str | None, typer.Option(help="Begin with what was stored at this RFC 3339 time.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON an event.")] = False,
) -> None:
    """Print events as they are stored: time, position, subject, body. Ctrl-C ends it."""
    with suppress(KeyboardInterrupt, BrokenPipeError):
        run(_tail(subjects, everything=everything, since=since, count=count, as_json=as_json))


async def _tail(
    subjects: str, *, everything: bool, since: str | None, count: int | None, as_json: bool
) -> None:
    config = command_settings()
    try:
        stored = stored_form(subjects, config.partitions)
        start = parse_time(since, "--since") if since else None
    except InvalidFact as exc:
        raise Problem(exc.details) from exc
    bound = {stream.name: stream.subjects() for stream in config.streams}
    names = [name for name, bind in bound.items() if any(overlaps(subjects, one) for one in bind)]
    if not names:
        held = ", ".join(one for of_stream in bound.values() for one in of_stream)
        raise Problem(f"no stream holds {subjects}; held are {held}")
    readers: list[asyncio.Task[None]] = []
    async with bus(config) as nc:
        arrived: asyncio.Queue[tuple[str, Msg]] = asyncio.Queue(maxsize=1_000)
        consumer = _consumer(stored, everything=everything, since=start)
        readers += [asyncio.create_task(_read(nc, name, consumer, arrived)) for name in names]
        shown = 0
        while count is None or shown < count:
            stream, message = await _next(arrived, readers)
            subject = _subject(message)
            if overlaps(subjects, subject):  # of jobs others are stored under the same subject
                typer.echo(_line(stream, message, subject, as_json=as_json))
                shown += 1
    # After closing: inside the client's fetch a cancellation alone would be lost.
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


def _consumer(stored: str, *, everything: bool, since: datetime | None) -> ConsumerConfig:
    policy = DeliverPolicy.NEW
    if since is not None:
        policy = DeliverPolicy.BY_START_TIME
    elif everything:
        policy = DeliverPolicy.ALL
    return ConsumerConfig(
        filter_subject=stored,
        deliver_policy=policy,
        opt_start_time=since,
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        inactive_threshold=60,
    )


async def _next(
    arrived: asyncio.Queue[tuple[str, Msg]], readers: list[asyncio.Task[None]]
) -> tuple[str, Msg]:
    getting = asyncio.ensure_future(arrived.get())
    done, _ = await asyncio.wait([getting, *readers], return_when=asyncio.FIRST_COMPLETED)
    if getting in done:
        return getting.result()
    getting.cancel()
    for reader in readers:
        if reader in done:
            reader.result()  # raises what ended it
    raise Problem("the line ended the subscription", "FOLDLINE_NATS_URL")


async def _read(
    nc: Client, stream: str, consumer: ConsumerConfig, arrived: asyncio.Queue[tuple[str, Msg]]
) -> None:
    async for message in _messages(nc, stream, consumer):
        await arrived.put((stream, message))


async def _messages(nc: Client, stream: str, consumer: ConsumerConfig) -> AsyncIterator[Msg]:
    js = nc.jetstream()
    subscription = await js.pull_subscribe(consumer.filter_subject or ">", stream=stream, config=consumer)
    while True:
        with suppress(NatsTimeout):
            for message in await subscription.fetch(100, timeout=5):
                yield message


def _subject(message: Msg) -> str:
    try:
        return published_subject(message.subject, message.data)
    except InvalidFact:  # a token is longer than ours
        return published_form(message.subject)


def _line(stream: str, message: Msg, subject: str, *, as_json: bool) -> str:
    delivery = parse_delivery(message.reply)
    partition = message.subject.split(".")[1]
    position = f"{stream}/{partition}:{delivery.sequence}"
    stored_at = format_time(delivery.stored_at.astimezone(UTC))
    body = message.data.decode(errors="replace")
    if not as_json:
        return f"{stored_at}  {position}  {printable(subject)}  {printable(body)}"
    line: dict[str, Any] = {"stored_at": stored_at, "position": position, "subject": subject}
    try:
        line["body"] = json.loads(body) if body else {}
    except ValueError:
        line["raw"] = body
    return json.dumps(line)
