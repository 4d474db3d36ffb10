"""`foldline tail`: events of the line, those that are stored and those that arrive."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Annotated, Any

import typer

from foldline.cli.connections import bus, command_settings, printable, run
from foldline.cli.parameters import KNOWN_FACTS
from line.jetstream import stream_info
from line.live_tail import tail_stream
from line.pull_consumer import start_after, start_at
from line.raw_event import RawEvent
from runtime.problems import Problem
from runtime.process.tasks import cancel_and_wait
from schemas.facts import published_subject
from schemas.positions import Position
from schemas.registry import DECLARED
from schemas.stored_subjects import stored_form
from schemas.subjects import overlaps, published_form
from schemas.times import format_time, parse_time
from schemas.validation import InvalidFact, parse_value


def tail(
    subjects: Annotated[
        str,
        typer.Argument(
            metavar="FILTER", help=f"Subjects as published; * is one token, > the rest. {KNOWN_FACTS}."
        ),
    ] = "ev.>",
    everything: Annotated[
        bool,
        typer.Option("--all", help="Begin with the oldest event, not the next."),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Begin with events stored at this time (RFC 3339) or later."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many events.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> None:
    """Print events as they are stored: time, position, subject, body. Ctrl-C stops it."""
    with suppress(KeyboardInterrupt, BrokenPipeError):
        run(_tail(subjects, everything=everything, since=since, count=count, as_json=as_json))


async def _tail(
    subjects: str, *, everything: bool, since: str | None, count: int | None, as_json: bool
) -> None:
    config = command_settings()
    try:
        stored = stored_form(subjects, config.partitions)
        start = _start(everything=everything, since=since)
    except InvalidFact as exc:
        raise Problem(exc.details) from exc
    bound = {stream.name: DECLARED.subjects(stream) for stream in config.streams}
    names = [name for name, bind in bound.items() if any(overlaps(subjects, one) for one in bind)]
    if not names:
        held = ", ".join(one for subjects_ in bound.values() for one in subjects_)
        raise Problem(f"no stream holds {subjects[:100]}: streams hold {held}")
    async with bus(config) as nc, AsyncExitStack() as stack:
        arrived: asyncio.Queue[RawEvent] = asyncio.Queue(maxsize=1_000)
        takers = []
        for name in names:
            # Behind what is there now, and not "with what is new": that would begin anew after an outage.
            begin = start or start_after((await stream_info(nc, name))["state"]["last_seq"])
            takers.append(asyncio.create_task(_take(tail_stream(nc, name, begin, stored), arrived)))
        stack.push_async_callback(cancel_and_wait, *takers)
        shown = 0
        while count is None or shown < count:
            event = await _next(arrived, takers)
            subject = _subject(event)
            if overlaps(subjects, subject):  # other jobs are stored under the same subject
                typer.echo(_line(event, subject, as_json=as_json))
                shown += 1


def _start(*, everything: bool, since: str | None) -> Mapping[str, Any] | None:
    """Where to begin in every stream; None: behind its present end."""
    if since is not None:
        return start_at(parse_time(since, "--since"))
    return start_after(0) if everything else None


async def _take(events: AsyncGenerator[list[RawEvent], None], arrived: asyncio.Queue[RawEvent]) -> None:
    async with aclosing(events):
        async for some in events:
            for event in some:
                await arrived.put(event)


async def _next(arrived: asyncio.Queue[RawEvent], takers: list[asyncio.Task[None]]) -> RawEvent:
    getting = asyncio.ensure_future(arrived.get())
    done, _ = await asyncio.wait([getting, *takers], return_when=asyncio.FIRST_COMPLETED)
    if getting in done:
        return getting.result()
    getting.cancel()
    for taker in takers:
        if taker in done:
            taker.result()  # raises what ended it
    raise Problem("NATS ended the subscription: start `foldline tail` again", "FOLDLINE_NATS_URL")


def _subject(event: RawEvent) -> str:
    try:
        return published_subject(event.subject, event.body)
    except InvalidFact:  # a token is longer than ours
        return published_form(event.subject)


def _line(event: RawEvent, subject: str, *, as_json: bool) -> str:
    position = str(Position(event.stream, event.partition, event.sequence))
    stored_at = format_time(event.stored_at)
    body = event.body.decode(errors="replace")
    if not as_json:
        return f"{stored_at}  {position}  {printable(subject)}  {printable(body)}"
    line: dict[str, Any] = {"stored_at": stored_at, "position": position, "subject": subject}
    try:
        line["body"] = parse_value(body or "{}")
    except InvalidFact:
        line["raw"] = body  # as it is: also where a number would change
    return json.dumps(line)
