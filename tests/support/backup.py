"""A stream's backup and its restoring, by the calls that `nats stream backup` and `restore` make."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client

from line.jetstream import request_api

_CHUNK = 128 << 10
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Backup:
    """Configuration, state and messages of one stream."""

    config: dict[str, Any]
    state: dict[str, Any]
    chunks: list[bytes]


async def backup(nc: Client, stream: str) -> Backup:
    """Take a stream with its consumers as it is now."""
    inbox = nc.new_inbox()
    chunks = await nc.subscribe(inbox)
    body = {"deliver_subject": inbox, "no_consumers": False, "jsck": True, "chunk_size": _CHUNK}
    answer = await request_api(nc, f"STREAM.SNAPSHOT.{stream}", body)
    assert "error" not in answer, answer
    taken = []
    while (message := await chunks.next_msg(_TIMEOUT_S)).data:
        taken.append(message.data)
        if message.reply:  # not every chunk asks to be acknowledged
            await nc.publish(message.reply, b"")
    await chunks.unsubscribe()
    return Backup(answer["config"], answer["state"], taken)


async def restore(nc: Client, saved: Backup) -> None:
    """Make the stream anew, where none of its name is; a young cluster is asked again."""
    body = {"config": saved.config, "state": saved.state}
    async with asyncio.timeout(60):
        while "error" in (answer := await request_api(nc, f"STREAM.RESTORE.{saved.config['name']}", body)):
            assert answer["error"]["code"] == 503, answer
            await asyncio.sleep(0.2)  # between two tries, not for a condition
    for chunk in [*saved.chunks, b""]:
        reply = await nc.request(answer["deliver_subject"], chunk, timeout=_TIMEOUT_S)
    done = json.loads(reply.data)
    assert done["state"]["last_seq"] == saved.state["last_seq"], done
