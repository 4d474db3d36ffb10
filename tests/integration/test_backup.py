"""Backups of a line and their restoring: every stream, and nothing half done that looks whole."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from foldline.embedded.nats import NatsServer
from line.backup import back_up, restore, stream_names
from line.connection import close_bus, connect_bus
from line.jetstream import request_api, stream_info
from line.problems import StreamUnavailable
from runtime.problems import Problem
from tests.support.settings import line_settings


@pytest.fixture
def other_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A second server, to restore into."""
    server = NatsServer(tmp_path / "other" / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def there(own_nats: NatsServer) -> AsyncIterator[Client]:
    """The server with something to back up."""
    nc = await connect_bus(line_settings(own_nats, ""), name="test")
    js = nc.jetstream()
    await js.add_stream(StreamConfig(name="A", subjects=["a.>"]))
    await js.add_stream(StreamConfig(name="B", subjects=["b.>"]))
    for number in range(40):
        await js.publish(f"a.{number}", b"%d" % number * 5_000)
    yield nc
    await close_bus(nc)


@pytest.fixture
async def elsewhere(other_nats: NatsServer) -> AsyncIterator[Client]:
    nc = await connect_bus(line_settings(other_nats, ""), name="test")
    yield nc
    await close_bus(nc)


async def test_streams_consumers_sequences_and_times_are_the_same(
    there: Client, elsewhere: Client, tmp_path: Path
) -> None:
    js = there.jetstream()
    reader = await js.pull_subscribe("a.>", durable="half")
    for message in await reader.fetch(15):
        await message.ack_sync()
    await js.purge_stream("A", seq=4)
    saved = await back_up(there, tmp_path / "backup")
    assert [(one.name, one.state["messages"]) for one in saved] == [("A", 37), ("B", 0)]
    await restore(elsewhere, tmp_path / "backup", replicas=1)
    assert (await stream_info(elsewhere, "A"))["state"] == (await stream_info(there, "A"))["state"]
    assert (await stream_info(elsewhere, "B"))["state"]["messages"] == 0
    again = await elsewhere.jetstream().pull_subscribe("a.>", durable="half")
    (message,) = await again.fetch(1)
    assert (message.subject, message.metadata.sequence.stream, message.data) == ("a.15", 16, b"15" * 5_000)


async def test_more_streams_than_a_page_of_names(there: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server names at most 1,024 at a time."""
    names = [f"S{number}" for number in range(2_500)]

    async def pages(_: Client, call: str, body: dict[str, int]) -> dict[str, Any]:
        assert call == "STREAM.NAMES"
        return {"total": len(names), "streams": names[body["offset"] :][:1_024] or None}

    monkeypatch.setattr("line.backup.request_api", pages)
    assert await stream_names(there) == names


async def test_an_interrupted_restore_is_repeated(there: Client, elsewhere: Client, tmp_path: Path) -> None:
    await back_up(there, tmp_path / "backup")
    await restore(elsewhere, tmp_path / "backup", replicas=1)
    created = (await stream_info(elsewhere, "A"))["created"]
    await request_api(elsewhere, "STREAM.DELETE.B")
    await restore(elsewhere, tmp_path / "backup", replicas=1)
    assert sorted(await stream_names(elsewhere)) == ["A", "B"]
    assert (await stream_info(elsewhere, "A"))["created"] == created


async def test_streams_that_end_elsewhere_are_left_alone(
    there: Client, elsewhere: Client, tmp_path: Path
) -> None:
    await back_up(there, tmp_path / "backup")
    await elsewhere.jetstream().add_stream(StreamConfig(name="A", subjects=["a.>"]))
    with pytest.raises(
        Problem, match="stream A ends at sequence 0 on the server, in the backup at 40: restore"
    ):
        await restore(elsewhere, tmp_path / "backup", replicas=1)
    assert await stream_names(elsewhere) == ["A"]


async def test_a_directory_in_use_is_refused(there: Client, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(Problem, match="is not empty: a backup needs a directory of its own"):
        await back_up(there, tmp_path)
    with pytest.raises(Problem, match=r"cannot write a backup to .*notes: "):
        await back_up(there, tmp_path / "notes")


async def test_half_a_backup_is_refused(there: Client, elsewhere: Client, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    await back_up(there, folder)
    kept = (folder / "A.snapshot").read_bytes()
    (folder / "A.snapshot").write_bytes(kept[:-10])
    with pytest.raises(Problem, match=f"A.snapshot has {len(kept) - 10} bytes, {len(kept)} were written"):
        await restore(elsewhere, folder, replicas=1)
    (folder / "A.snapshot").write_bytes(kept[:-10] + b"0" * 10)
    with pytest.raises(StreamUnavailable, match="stream A: "):
        await restore(elsewhere, folder, replicas=1)
    (folder / "backup.json").unlink()
    with pytest.raises(Problem, match=r"does not hold a whole backup: backup\.json is missing or damaged"):
        await restore(elsewhere, folder, replicas=1)
    assert await stream_names(elsewhere) == []


async def test_a_snapshot_that_stops_is_no_backup(
    there: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server gives up when what it sends is not acknowledged, and says so in the last, empty message."""
    subscribe = there.subscribe

    async def stalled(inbox: str) -> Any:
        chunks = await subscribe(inbox)
        receive = chunks.next_msg

        async def next_msg(timeout: float) -> Msg:
            message = await receive(timeout)
            if not message.data:
                message.headers = {"Status": "408", "Description": "No Flow Response"}
            return message

        monkeypatch.setattr(chunks, "next_msg", next_msg)
        return chunks

    monkeypatch.setattr(there, "subscribe", stalled)
    stopped = r"stream A: the snapshot stopped after \d+ bytes: 408 No Flow Response"
    with pytest.raises(StreamUnavailable, match=stopped):
        await back_up(there, tmp_path / "backup")
    assert not (tmp_path / "backup" / "backup.json").exists()
