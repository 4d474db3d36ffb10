"""A whole session by a client that knows NATS and JSON and nothing else.

Reads "<url> <id>" from its input; prints the newest sequence of each stream it was acknowledged by.
"""

import asyncio
import json

import nats


async def main(url: str, session_id: str) -> None:
    connection = await nats.connect(url)
    line = connection.jetstream()
    newest = {}

    async def publish(fact: str, body: object, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = b"" if body is None else json.dumps(body).encode()
        ack = await line.publish(f"ev.local.session.{session_id}.{fact}", data, headers=named)
        newest[ack.stream] = ack.seq

    await publish(
        "created", {"product": "Plain", "version": "2.0", "hostname": "h1", "machine_id": "m-" + session_id}
    )
    await publish("state", {"status": "starting", "user": {"name": "alice", "role": "admin"}})
    await publish(
        "state", {"state": {"user": {"role": None}, "status": "run"}, "timestamp": "2026-01-31T12:00:00Z"}
    )
    await publish(
        "event", {"name": "user_login", "level": "warning", "labels": ["a", "b"], "data": {"by": "alice"}}
    )
    await publish(
        "event", {"name": "boom", "exception_type": "ValueError", "exception_msg": "no", "stacktrace": ["f"]}
    )
    for _ in range(2):  # a retry takes effect once
        await publish("event", {"name": "once"}, Nats_Msg_Id=f"local:session:{session_id}:once")
    await publish("metric", {"name": "rtt", "value": 12.5, "unit": "ms", "type": "timer", "tags": ["api"]})
    await publish("metric", {"name": "early", "value": -1}, Foldline_Time="2026-01-31T13:00:00+01:00")
    await publish("heartbeat", None)
    await publish("ended", {"timestamp": "2026-01-31T12:00:01Z"})
    print(json.dumps(newest))  # noqa: T201 - what it found out, for whoever ran it
    await connection.close()


asyncio.run(main(*input().split()))
