"""Backups of a line and their restoring: every stream, and nothing half done that looks whole."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from foldline.embedded.nats import Federation, NatsServer
from foldline.embedded.ports import pick_port
from line.backup import back_up, restore, stream_names
from line.connection import close_bus, connect_bus
from line.jetstream import request_api, stream_info
from line.problems import StreamUnavailable
from runtime.problems import Problem
from schemas.jobs.streams import JOBS
from schemas.registry import DECLARED
from schemas.streams import Stream
from tests.support.settings import PARTITIONS, line_settings
from tests.support.waiting import wait_until


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


async def test_a_copy_at_the_centre_goes_on_with_its_site(tmp_path: Path) -> None:
    """A mirror is a stream like any other: restored, it takes what its site stores afterwards."""
    (copy,) = DECLARED.streams_of(["fab1"])
    async with _site_and_centre(tmp_path / "old") as (site, centre):
        assert "error" not in await request_api(site, f"STREAM.CREATE.{JOBS.name}", _config(JOBS))
        await _reached(centre)
        assert "error" not in await request_api(centre, f"STREAM.CREATE.{copy.name}", _config(copy))
        for _ in range(5):
            await site.jetstream().publish("ev.fab1.job.J1.started", b"{}")
        await wait_until(lambda: _ends_at(centre, copy.name, 5), 60)
        await back_up(site, tmp_path / "site")
        await back_up(centre, tmp_path / "centre")
    async with _site_and_centre(tmp_path / "new") as (site, centre):
        await restore(site, tmp_path / "site", replicas=1)
        await _reached(centre)
        await restore(centre, tmp_path / "centre", replicas=1)
        await site.jetstream().publish("ev.fab1.job.J1.finished", b"{}")
        await wait_until(lambda: _ends_at(centre, copy.name, 6), 60)


def _config(stream: Stream) -> dict[str, Any]:
    return DECLARED.config(stream, partitions=PARTITIONS, replicas=1)


async def _reached(centre: Client) -> None:
    """The site answers at the centre: a mirror that is made before begins half a minute late."""

    async def answers() -> bool:
        return "error" not in await request_api(centre, f"STREAM.INFO.{JOBS.name}", timeout=1, domain="fab1")

    await wait_until(answers, 30)


async def _ends_at(nc: Client, stream: str, sequence: int) -> bool:
    return bool((await stream_info(nc, stream))["state"]["last_seq"] == sequence)


@asynccontextmanager
async def _site_and_centre(folder: Path) -> AsyncIterator[tuple[Client, Client]]:
    """Connections to two servers, the first a leaf of the second."""
    port = pick_port("127.0.0.1")
    servers = [
        NatsServer(folder / "site" / "nats", server_name="fab1", federation=Federation("fab1", port)),
        NatsServer(
            folder / "hub" / "nats", server_name="hub", federation=Federation("hub", port, is_hub=True)
        ),
    ]
    try:
        for server in servers:
            server.start()
        site, centre = [await connect_bus(line_settings(server, ""), name="test") for server in servers]
        yield site, centre
        await close_bus(site)
        await close_bus(centre)
    finally:
        for server in servers:
            server.stop()


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
        Problem, match="stream A is on the server with 0 messages from sequence 0 to 0, the backup has 40"
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
    with pytest.raises(Problem, match=r"stream A: the server does not take .*A\.snapshot: "):
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


async def test_what_a_restore_left_of_a_stream_is_replaced(
    there: Client, elsewhere: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps the chunks that came, as a stream under the name: it holds a first part."""
    await back_up(there, tmp_path / "first part")
    js = there.jetstream()
    for number in range(3):
        await js.publish(f"a.more.{number}", b"more")
    await back_up(there, tmp_path / "backup")
    await restore(elsewhere, tmp_path / "first part", replicas=1)
    assert await restore(elsewhere, tmp_path / "backup", replicas=1) == {"A": True, "B": False}
    assert (await stream_info(elsewhere, "A"))["state"] == (await stream_info(there, "A"))["state"]
    assert await restore(elsewhere, tmp_path / "backup", replicas=1) == {"A": False, "B": False}


async def test_a_stream_that_was_purged_since_is_not_taken_for_restored(
    there: Client, elsewhere: Client, tmp_path: Path
) -> None:
    await back_up(there, tmp_path / "backup")
    await restore(elsewhere, tmp_path / "backup", replicas=1)
    await elsewhere.jetstream().purge_stream("A", keep=1)
    with pytest.raises(
        Problem, match="A is on the server with 1 messages from sequence 40 to 40, the backup"
    ):
        await restore(elsewhere, tmp_path / "backup", replicas=1)


async def test_another_stream_of_the_same_length_is_not_taken_for_restored(
    there: Client, elsewhere: Client, tmp_path: Path
) -> None:
    await back_up(there, tmp_path / "backup")
    js = elsewhere.jetstream()
    await js.add_stream(StreamConfig(name="A", subjects=["a.>"]))
    for number in range(40):
        await js.publish(f"a.{number}", b"another")
    with pytest.raises(Problem, match="delete the stream there first"):
        await restore(elsewhere, tmp_path / "backup", replicas=1)


async def test_a_server_without_streams_has_nothing_to_back_up(elsewhere: Client, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no stream"):
        await back_up(elsewhere, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize(
    "text", ["[]", '{"streams": [{}]}', '{"streams": [{"config": {}, "state": {}, "size": 1}]}']
)
async def test_a_list_of_another_shape_is_no_backup(elsewhere: Client, tmp_path: Path, text: str) -> None:
    (tmp_path / "backup.json").write_text(text)
    with pytest.raises(Problem, match="does not hold a whole backup"):
        await restore(elsewhere, tmp_path, replicas=1)
