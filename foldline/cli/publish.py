"""`foldline publish`: publish one fact."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from foldline.cli.connections import bus, command_settings, run, show_json
from foldline.cli.parameters import KNOWN_FACTS, Json
from producers.admission import admit_fact
from producers.publishing.publisher import Publisher, PublishError
from runtime.problems import Problem
from schemas.facts import TIME
from schemas.subjects import Subject
from schemas.validation import InvalidFact


def publish(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help=f"ev.<site>.<entity>.<id>.<fact>. {KNOWN_FACTS}.")
    ],
    body: Annotated[
        str,
        typer.Argument(metavar="[JSON]", help="Body of the fact; - reads standard input; default: {}."),
    ] = "",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Idempotency key: the same fact with the same key again has no effect."
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="WHEN", help="When it happened, RFC 3339; default: now.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish one fact, and print its position once it is stored and synced."""
    raw = sys.stdin.buffer.read() if body == "-" else body.encode(errors="surrogateescape")
    run(_publish(subject, raw, key=key, time=time, as_json=as_json))


async def _publish(subject: str, body: bytes, *, key: str | None, time: str | None, as_json: bool) -> None:
    config = command_settings()
    headers = {TIME: time} if time else {}
    try:
        fact = admit_fact(Subject.parse(subject), body, key=key, headers=headers, now=datetime.now(UTC))
        async with bus(config, publisher=True) as nc:
            publisher = Publisher(nc, partitions=config.partitions, timeout=config.publish_timeout)
            ack = await publisher.publish(fact)
            await publisher.aclose()
    except InvalidFact as exc:
        raise Problem(f"{exc.code.summary}: {exc.details}") from exc
    except PublishError as exc:
        raise Problem(f"the fact was not published: {exc}", "FOLDLINE_NATS_URL") from exc
    if as_json:
        show_json({"position": str(ack.position), "duplicate": ack.duplicate})
    else:
        typer.echo(f"{ack.position}{'  (already there)' if ack.duplicate else ''}")
