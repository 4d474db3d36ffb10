"""A steady load of mixed session facts, as a process of its own: `python -m tests.faults.steady`.

Publishes `--count` facts as fast as it goes, or `--rate` of them a second until its standard input ends; then
prints one line of JSON: how many were acknowledged, at which rate, how far it was ever behind (seconds).
"""

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import uvloop

from producers.publisher import Ack, Publisher
from runtime.bus import close_bus, connect_bus
from runtime.settings import Settings, settings
from schemas.facts import AUTO, TIME, Fact
from schemas.subjects import Subject
from schemas.times import format_time

_GROUP = 500


def fact(name: str, sessions: int, number: int) -> Fact:
    """The `number`-th fact: states, events and metrics in turn, every session in turn; ~220 bytes."""
    session = f"{name}-{number % sessions}"
    kind = ("state", "event", "metric")[number % 3]
    body: dict[str, Any] = {
        "state": {"step": number % 17, "user": {"name": f"user {number % 911}", "role": "operator"}},
        "event": {
            "name": f"e{number}",
            "level": "info",
            "data": {"path": "/some/file/name.txt", "n": number},
        },
        "metric": {"name": "memory_mb", "value": number % 1_000 / 7, "unit": "MB", "tags": {"host": "h1"}},
    }[kind]
    headers = {TIME: format_time(datetime.now(UTC))}
    subject = Subject("local", "session", session, kind)
    return Fact(subject, json.dumps(body).encode(), f"{AUTO}{name}:{number}", headers)


async def load(config: Settings, *, name: str, sessions: int, count: int, rate: int) -> dict[str, Any]:
    """Publish; every fact is tried again until it is acknowledged."""
    nc = await connect_bus(config, name="test-load", publisher=True)
    publisher = Publisher(nc, partitions=config.partitions, timeout=10)
    loop = asyncio.get_running_loop()
    ending = loop.run_in_executor(None, sys.stdin.buffer.read) if rate else None
    began, done, behind = loop.time(), 0, 0.0
    while done < count or (ending is not None and not ending.done()):
        if rate and (wait := began + done / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
        elif rate:
            behind = max(behind, -wait)
        facts = [fact(name, sessions, number) for number in range(done, done + _GROUP)]
        while facts:
            outcomes = await publisher.publish_many(facts)
            facts = [
                one for one, outcome in zip(facts, outcomes, strict=True) if not isinstance(outcome, Ack)
            ]
        done += _GROUP
    seconds = loop.time() - began
    await publisher.aclose()
    await close_bus(nc)
    return {"acknowledged": done, "rate": done / seconds, "behind": behind}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="load")
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--rate", type=int, default=0)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(uvloop.run(load(settings(), **vars(asked)))) + "\n")


if __name__ == "__main__":
    main()
