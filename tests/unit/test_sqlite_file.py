"""The SQLite file: durable settings, transactions that are whole, one process at a time."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from producers.sidecar.sqlite_file import SqliteFile, transaction

TABLES = "create table if not exists number (value integer primary key)"


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteFile]:
    file = SqliteFile(folder / "numbers.db", TABLES)
    await file.open()
    yield file
    await file.close()


def insert(db: sqlite3.Connection, *values: int) -> None:
    with transaction(db):
        for value in values:
            db.execute("insert into number values (?)", (value,))


def numbers(db: sqlite3.Connection) -> list[int]:
    return [value for (value,) in db.execute("select value from number order by value")]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("synchronous", 2), ("journal_mode", "wal"), ("locking_mode", "exclusive")],  # 2 is full
)
async def test_its_settings_are_durable(tmp_path: Path, setting: str, value: Any) -> None:
    async with opened(tmp_path) as file:
        assert await file.run(lambda db: db.execute(f"pragma {setting}").fetchone()) == (value,)


async def test_it_makes_a_folder_that_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    async with opened(folder) as file:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert file.on_disk() == sum(one.stat().st_size for one in folder.iterdir()) > 0


async def test_what_is_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as file:
        await file.run(lambda db: insert(db, 1, 2))
    async with opened(tmp_path) as file:
        assert await file.run(numbers) == [1, 2]


async def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as file:
        with pytest.raises(sqlite3.IntegrityError):
            await file.run(lambda db: insert(db, 1, 2, 1))
        assert await file.run(numbers) == []
        await file.run(lambda db: insert(db, 3))
        assert await file.run(numbers) == [3]


async def test_a_caller_that_leaves_does_not_stop_its_work(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(db: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait()
        insert(db, 1)

    async with opened(tmp_path) as file:
        leaving = asyncio.create_task(file.run(work))
        await asyncio.to_thread(begun.wait)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        go_on.set()
        assert await file.run(numbers) == [1]


async def test_only_one_may_have_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.sidecar.sqlite_file._LOCK_WAIT_S", 0.01)
    async with opened(tmp_path) as file:
        await file.run(lambda db: insert(db, 1))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await SqliteFile(file.path, TABLES).open()
    async with opened(tmp_path) as file:  # the one that failed holds nothing
        assert await file.run(numbers) == [1]
