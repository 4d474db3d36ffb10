"""A steady load of mixed session facts, from a process of its own: `python -m benchmarks.steady_load`.

Publishes `--count` facts as fast as it goes, or `--rate` of them a second until its standard input ends; then
prints one line of JSON: how many were acknowledged, at which rate, how far it was ever behind (seconds).

It writes NATS's protocol itself, atomic batches of 500, so that the load takes little of the machine it
loads. It expects a server that stays; one that goes away ends it with an error.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import uvloop

from foldline.settings import Settings
from runtime.settings.processes import UpSettings

MakeFact = Callable[[str, int, int], tuple[str, str]]
"""Makes subject and body of a fact from the load's name, the number of sessions and the fact's number."""

FACTS_EACH = 100  # of one session, where events are stored before they are folded
_GROUP = 500
_INBOX = "_INBOX.steady"
_TIMEOUT_S = 30  # seconds for one acknowledgement


def session_fact(name: str, sessions: int, number: int) -> tuple[str, str]:
    """Make the fact of that number: states, events and metrics in turn, every session in turn."""
    return _fact(name, number % sessions, number)


def in_waves(at_once: int) -> MakeFact:
    """Make facts of `at_once` sessions at a time: when each has its hundred facts, the next ones begin."""

    def made(name: str, _sessions: int, number: int) -> tuple[str, str]:
        wave, place = divmod(number, at_once * FACTS_EACH)
        return _fact(name, wave * at_once + place % at_once, number)

    return made


def _fact(name: str, session: int, number: int) -> tuple[str, str]:
    subject = f"ev.local.session.{name}-{session}"
    if number % 3 == 0:
        user = f'{{"name":"user {number % 911}","role":"operator"}}'
        return f"{subject}.state", f'{{"step":{number % 17},"user":{user}}}'
    if number % 3 == 1:
        data = f'{{"path":"/some/file/name.txt","n":{number}}}'
        return f"{subject}.event", f'{{"name":"e{number}","level":"info","data":{data}}}'
    value = number % 1_000 / 7
    body = f'{{"name":"memory_mb","value":{value},"unit":"MB","tags":{{"host":"h1"}}}}'
    return f"{subject}.metric", body


def heartbeat(name: str, sessions: int, number: int) -> tuple[str, str]:
    """Make a heartbeat, of every session in turn."""
    return f"ev.local.session.{name}-{number % sessions}.heartbeat", "{}"


def batch(name: str, sessions: int, start: int, make: MakeFact = session_fact) -> bytes:
    """The protocol lines of one group; the server answers to the inbox once all are stored."""
    time = datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    lines = []
    for place in range(1, _GROUP + 1):
        number = start + place - 1
        subject, body = make(name, sessions, number)
        commit = "Nats-Batch-Commit: 1\r\n" if place == _GROUP else ""
        headers = (
            f"NATS/1.0\r\nFoldline-Time: {time}\r\nNats-Msg-Id: auto:{name}:{number}:{make.__name__}\r\n"
            f"Nats-Batch-Id: {name}:{start}\r\nNats-Batch-Sequence: {place}\r\n{commit}\r\n"
        )
        reply = f"{_INBOX} " if commit else ""
        lines.append(
            f"HPUB {subject} {reply}{len(headers)} {len(headers) + len(body)}\r\n{headers}{body}\r\n"
        )
    return "".join(lines).encode()


class RawConnection:
    """A connection to NATS that sends one batch at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, config: UpSettings) -> "RawConnection":
        """Connect, and subscribe to the answers."""
        server = urlsplit(config.nats_url)
        hello: dict[str, Any] = {"verbose": False, "headers": True, "no_responders": True}
        if config.nats_user is not None:
            hello |= {"user": config.nats_user, "pass": config.nats_password}
        wire = cls(*await asyncio.open_connection(server.hostname, server.port, limit=1 << 20))
        wire._writer.write(f"CONNECT {json.dumps(hello)}\r\n".encode())
        wire._writer.write(f"SUB {_INBOX} 1\r\n".encode())
        return wire

    async def put(self, group: bytes) -> None:
        """Publish a batch and wait until it is durable. Raises RuntimeError if it was not stored."""
        self._writer.write(group)
        await self._writer.drain()
        answer = json.loads(await asyncio.wait_for(self._answer(), _TIMEOUT_S))
        if answer.get("count") != _GROUP:
            raise RuntimeError(f"the batch was not stored: {answer}")

    async def _answer(self) -> bytes:
        while True:
            line = await self._reader.readline()
            if line.startswith(b"PING"):
                self._writer.write(b"PONG\r\n")
            elif line.startswith((b"MSG", b"HMSG")):
                return (await self._reader.readexactly(int(line.split()[-1]) + 2))[:-2]
            elif not line or line.startswith(b"-ERR"):
                raise RuntimeError(f"the server went away: {line!r}")


async def store_facts(
    config: UpSettings, *, name: str, sessions: int, count: int, at_once: int | None = None
) -> dict[str, Any]:
    """Publish `count` facts as fast as it goes, of all sessions in turn or of `at_once` at a time."""
    make = in_waves(at_once) if at_once else session_fact
    return await load(config, name=name, sessions=sessions, count=count, rate=0, make=make)


async def store_heartbeats(config: UpSettings, *, name: str, sessions: int) -> dict[str, Any]:
    """Publish a heartbeat of each session, and a few more to fill the last group."""
    wire = await RawConnection.open(config)
    for start in range(0, sessions, _GROUP):
        await wire.put(batch(name, sessions, start, heartbeat))
    return {}


async def load(
    config: UpSettings, *, name: str, sessions: int, count: int, rate: int, make: MakeFact = session_fact
) -> dict[str, Any]:
    """Publish `count` facts, or `rate` of them a second until standard input ends."""
    wire = await RawConnection.open(config)
    loop = asyncio.get_running_loop()
    ending = loop.run_in_executor(None, sys.stdin.buffer.read) if rate else None
    began, done, behind = loop.time(), 0, 0.0
    while done < count or (ending is not None and not ending.done()):
        if rate and (wait := began + done / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
        elif rate:
            behind = max(behind, -wait)
        await wire.put(batch(name, sessions, done, make))
        done += _GROUP
    return {"acknowledged": done, "rate": done / (loop.time() - began), "behind": behind}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="load")
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--rate", type=int, default=0)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(uvloop.run(load(Settings(), **vars(asked)))) + "\n")


if __name__ == "__main__":
    main()
