"""`foldline demo`: a small lively load, to have something to look at."""

import asyncio
import random
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from foldline.cli.connections import bus, command_settings, run
from foldline.embedded.ports import reachable_host
from foldline.settings import Demo, port_of
from foldline.surfaces import API
from producers.admission import admit_fact
from producers.publishing.publisher import Publisher, PublishError
from runtime.problems import Problem
from schemas.facts import Fact
from schemas.sessions.facts import HUNG
from schemas.subjects import Subject

_PRODUCTS = ("Editor", "Renderer", "Importer", "Gateway")
_STEPS = ("loading", "parsing", "running", "saving", "idle")


def demo(
    sessions: Annotated[int, typer.Option(min=1, max=10_000, help="Number of sessions.")] = 12,
    rate: Annotated[float, typer.Option(min=1, max=5_000, help="Events a second, in all.")] = 40,
    seconds: Annotated[float, typer.Option(min=1, help="Duration, seconds.")] = 20,
    seed: Annotated[int | None, typer.Option(help="Seed of the random choices, to repeat a run.")] = None,
) -> None:
    """Publish sessions that start, work, hang, recover, crash and end."""
    with suppress(KeyboardInterrupt):
        run(_demo(sessions, rate, seconds, random.Random(seed)))  # noqa: S311 - no secret


async def _demo(sessions: int, rate: float, seconds: float, chance: random.Random) -> None:
    config = command_settings(Demo)
    console = Console(stderr=True, highlight=False)
    ids = [f"demo-{secrets.token_hex(4)}" for _ in range(sessions)]
    total = max(sessions * 2, int(rate * seconds))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with bus(config, publisher=True) as nc:
        publisher = Publisher(nc, partitions=config.partitions, timeout=config.publish_timeout)
        script = [
            *(("created", _created_body(chance)) for _ in ids),
            *(_random_fact(chance) for _ in range(total - 2 * sessions)),
            *((chance.choice(("ended", "ended", "crashed")), {}) for _ in ids),
        ]
        with Progress(*columns, console=console) as progress:
            for index, (fact, body) in enumerate(progress.track(script, description="publishing")):
                session = ids[index % sessions]
                try:
                    await publisher.publish(_fact(config.site, session, fact, body))
                except PublishError as exc:
                    raise Problem(f"a fact was not published: {exc}", "FOLDLINE_NATS_URL") from exc
                await asyncio.sleep(1 / rate)
        await publisher.aclose()
    url = f"http://{reachable_host(config.host)}:{port_of(config, API)}"
    console.print(f"{total} events in {sessions} sessions; one of them: {url}/api/sessions/{ids[0]}")


def _fact(site: str, session: str, fact: str, body: dict[str, Any]) -> Fact:
    return admit_fact(Subject(site, "session", session, fact), to_json(body), now=datetime.now(UTC))


def _created_body(chance: random.Random) -> dict[str, Any]:
    return {
        "product": chance.choice(_PRODUCTS),
        "version": f"{chance.randint(1, 3)}.{chance.randint(0, 9)}",
        "hostname": f"host-{chance.randint(1, 5)}",
    }


def _random_fact(chance: random.Random) -> tuple[str, dict[str, Any]]:
    kind = chance.choices(("state", "event", "metric", "heartbeat", "hang"), (3, 3, 4, 3, 0.3))[0]
    if kind == "state":
        return "state", {"step": chance.choice(_STEPS), "progress": {"percent": chance.randint(0, 100)}}
    if kind == "event":
        level = chance.choice(("info", "info", "warning", "error"))
        return "event", {"name": "file_opened", "level": level, "data": {"size": chance.randint(1, 9_999)}}
    if kind == "metric":
        return "metric", {"name": "memory_mb", "value": round(chance.uniform(100, 900), 1), "unit": "MB"}
    if kind == "hang":
        return "event", {"name": HUNG, "level": "error", "category": "error"}
    return "heartbeat", {}
