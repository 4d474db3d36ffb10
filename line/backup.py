"""A backup of the whole line: every stream of the server, as JetStream's own snapshots, in one directory.

The directory has a file `<stream>.snapshot` for each stream and `backup.json`, which lists the streams with
configuration and state. `backup.json` is written last: a directory without it does not hold a whole backup.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError

from line.jetstream import NO_LEADER, ErrorCode, has_code, request_api, request_stream, stream_info
from line.problems import StreamUnavailable
from runtime.problems import Problem

_LIST: Final = "backup.json"
_CHUNK: Final = 128 << 10
_CHUNK_S: Final = 10.0
_UNPACKED_S: Final = 600.0
"""How long the server may take to unpack a stream after its last chunk, seconds."""
_LEADER_S: Final = 30.0
_HEARD_S: Final = 10.0
_ENDS: Final = frozenset({"messages", "first_seq", "last_seq", "first_ts", "last_ts"})
"""What of a stream's state tells it from another one of the same name."""


@dataclass(frozen=True, slots=True)
class SavedStream:
    """One stream of a backup: `config` and `state` as in the JetStream API, `size` of its file in bytes."""

    config: dict[str, Any]
    state: dict[str, Any]
    size: int

    @property
    def name(self) -> str:
        """The stream's name."""
        return str(self.config["name"])

    def as_json(self) -> dict[str, Any]:
        """Return plain data for `backup.json`."""
        return {"config": self.config, "state": self.state, "size": self.size}


async def stream_names(nc: Client) -> list[str]:
    """Return the names of all streams of the server, declared here or not. Raises StreamUnavailable."""
    names: list[str] = []
    while True:
        page = await request_api(nc, "STREAM.NAMES", {"offset": len(names)})
        if error := page.get("error"):
            raise StreamUnavailable("names", error)
        found = page.get("streams") or []
        names += found
        if not found or len(names) >= page["total"]:
            return names


async def back_up(nc: Client, directory: Path) -> list[SavedStream]:
    """Write every stream with its consumers into `directory`, which must be empty or missing, and sync it.

    A stream is saved as it is when its turn comes: what is stored afterwards is not in the backup. Raises
    Problem, and StreamUnavailable when the server does not send a stream to its end.
    """
    names = await stream_names(nc)
    if not names:
        raise Problem("the NATS server has no stream: there is nothing to back up", "FOLDLINE_NATS_URL")
    _make_empty(directory)
    saved = [await _save(nc, name, _file(directory, name)) for name in names]
    with _new_file(directory / _LIST) as write:
        write(json.dumps({"streams": [one.as_json() for one in saved]}, indent=1).encode())
    return saved


async def restore(nc: Client, directory: Path, *, replicas: int) -> dict[str, bool]:
    """Make every stream of a backup anew, in `replicas` copies, with the sequences and times it had.

    Returns by name whether a stream was made; one that was there already, the same, is left alone. What an
    interrupted restore left of a stream is replaced, so that the same call continues. Raises Problem, before
    anything is changed, if `directory` holds no whole backup or another stream of a name is there, and
    StreamUnavailable when the server does not take a stream to its end.
    """
    saved = read_backup(directory)
    names = set(await stream_names(nc))
    there = {one.name: await stream_info(nc, one.name) for one in saved if one.name in names}
    for one in saved:
        if one.name in there:
            _check_replaceable(one, there[one.name]["state"])
    made = {one.name: one.name not in there or not _is_same(one, there[one.name]["state"]) for one in saved}
    for one in saved:
        if made[one.name]:
            if one.name in there:
                await request_stream(nc, "STREAM.DELETE", one.name)
            await _make(nc, one, _file(directory, one.name), replicas)
    return made


async def _save(nc: Client, name: str, path: Path) -> SavedStream:
    inbox = nc.new_inbox()
    chunks = await nc.subscribe(inbox)
    size = 0
    try:
        request = {"deliver_subject": inbox, "no_consumers": False, "jsck": True, "chunk_size": _CHUNK}
        answer = await request_stream(nc, "STREAM.SNAPSHOT", name, request)
        with _new_file(path) as write:
            while (message := await chunks.next_msg(_CHUNK_S)).data:
                write(message.data)
                size += len(message.data)
                if message.reply:  # not every chunk asks to be acknowledged
                    await nc.publish(message.reply, b"")
    except Error as exc:
        raise StreamUnavailable(name, f"the snapshot stopped after {size} bytes: {exc}") from exc
    except OSError as exc:
        raise Problem(f"cannot write {path}: {exc.strerror}") from exc
    finally:
        await chunks.unsubscribe()
    if failure := _failure(message):
        raise StreamUnavailable(name, f"the snapshot stopped after {size} bytes: {failure}")
    return SavedStream(answer["config"], answer["state"], size)


def _failure(end: Msg) -> str | None:
    """Return the error in the headers of the empty message that ends a snapshot, None if all went well."""
    headers = end.headers or {}
    return " ".join(headers.values()) if headers.get("Status", "204") != "204" else None


async def _make(nc: Client, saved: SavedStream, path: Path, replicas: int) -> None:
    answer = await _begin(nc, saved, replicas)
    try:
        for chunk in _chunks(path):
            _check(saved, path, await _deliver(nc, answer["deliver_subject"], chunk, timeout=_CHUNK_S))
        end = await _deliver(nc, answer["deliver_subject"], b"", timeout=_UNPACKED_S)
    except Error as exc:
        raise StreamUnavailable(
            saved.name, f"the restore stopped: {exc}; when NATS answers again, the same command continues"
        ) from exc
    _check(saved, path, end)
    if not _is_same(saved, state := json.loads(end.data)["state"]):
        raise Problem(
            f"stream {saved.name} has {_described(state)} now, the backup {_described(saved.state)}"
        )


async def _deliver(nc: Client, subject: str, chunk: bytes, *, timeout: float) -> Msg:
    """Send a chunk. In a young cluster our server may not have heard yet that another one takes them."""
    deadline = time.monotonic() + _HEARD_S
    while True:
        try:
            return await nc.request(subject, chunk, timeout=timeout)
        except NoRespondersError:  # nobody has taken it
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(0.1)


async def _begin(nc: Client, saved: SavedStream, replicas: int) -> dict[str, Any]:
    request = {"config": saved.config | {"num_replicas": replicas}, "state": saved.state}
    deadline = time.monotonic() + _LEADER_S
    while "error" in (answer := await request_api(nc, f"STREAM.RESTORE.{saved.name}", request)):
        error = answer["error"]
        # A young cluster has no leader yet, or does not know all its servers.
        young = error.get("code") == NO_LEADER or has_code(answer, ErrorCode.TOO_FEW_SERVERS)
        if not young or time.monotonic() >= deadline:
            raise StreamUnavailable(saved.name, error)
        await asyncio.sleep(0.2)
    return answer


def _check(saved: SavedStream, path: Path, reply: Msg) -> None:
    """Chunks are answered with nothing, unless the server gives up."""
    if error := json.loads(reply.data or b"{}").get("error"):
        said = error.get("description", error)
        raise Problem(f"stream {saved.name}: the server does not take {path}: {said}; is the file damaged?")


def _is_same(saved: SavedStream, there: dict[str, Any]) -> bool:
    keys = _ENDS if saved.state["messages"] else {"messages", "last_seq"}
    return all(there[key] == saved.state[key] for key in keys)


def _check_replaceable(saved: SavedStream, there: dict[str, Any]) -> None:
    """Refuse a stream that holds anything but a first part of the saved one. Raises Problem."""
    state = saved.state
    is_first_part = (
        there["messages"] > 0
        and there["first_ts"] == state["first_ts"]
        and there["first_seq"] == state["first_seq"]
        and there["last_seq"] < state["last_seq"]
    )
    if not (_is_same(saved, there) or is_first_part):
        raise Problem(
            f"stream {saved.name} is on the server with {_described(there)}, the backup has "
            f"{_described(state)}: restore to servers without streams, before Foldline connects to them, or "
            "delete the stream there first"
        )


def _described(state: dict[str, Any]) -> str:
    return f"{state['messages']:,} messages from sequence {state['first_seq']} to {state['last_seq']}"


def _file(directory: Path, stream: str) -> Path:
    return directory / f"{stream}.snapshot"


def _make_empty(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            half = any(directory.glob("*.snapshot")) and not (directory / _LIST).exists()
            what = "holds an unfinished backup" if half else "is not empty"
            raise Problem(f"{directory} {what}: a backup needs a directory of its own")
    except OSError as exc:
        raise Problem(f"cannot write a backup to {directory}: {exc.strerror}") from exc


def read_backup(directory: Path) -> list[SavedStream]:
    """Return the streams of a backup whose files are all there, in their lengths. Raises Problem."""
    try:
        listed = json.loads((directory / _LIST).read_bytes())["streams"]
        saved = [SavedStream(**one) for one in listed]
        if any("/" in one.name or _ENDS - one.state.keys() for one in saved):
            raise ValueError("not what a backup writes")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise Problem(f"{directory} does not hold a whole backup: {_LIST} is missing or damaged") from exc
    for one in saved:
        path = _file(directory, one.name)
        size = path.stat().st_size if path.exists() else 0
        if size != one.size:
            raise Problem(f"{path} has {size} bytes, {one.size} were written: the backup is damaged")
    return saved


@contextmanager
def _new_file(path: Path) -> Iterator[Callable[[bytes], Any]]:
    """A new file, readable by its owner only; synced to disk at the end."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
