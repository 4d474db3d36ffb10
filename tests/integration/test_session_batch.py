"""The table through which the rows of a batch go: empty after each, small whatever failed."""

import json

from line.raw_event import RawEvent
from projections.recorded import decode
from runtime.database.connections import Connection
from schemas.headers import NO_HEADERS
from schemas.stored_subjects import stored_form
from schemas.subjects import Subject
from tests.support.read_api import FoldedLine, at
from tests.support.settings import PARTITIONS


class Failed(Exception):
    """Ends a transaction."""


async def number(conn: Connection, query: str) -> int:
    row = await (await conn.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


async def write_many(line: FoldedLine, sessions: int) -> None:
    states, changes = {}, line.projection.changes()
    for sequence in range(1, sessions + 1):
        event = decode(
            RawEvent(
                stream="SESSIONS",
                partition=0,
                sequence=sequence,
                stored_at=at(sequence),
                subject=stored_form(str(Subject("local", "session", f"S{sequence}", "state")), PARTITIONS),
                headers=NO_HEADERS,
                body=json.dumps({"n": sequence}).encode(),
            )
        )
        line.projection.fold(states, event, changes)
    await line.projection.write(line.conn, changes)
    await line.projection.store(line.conn, states)


async def test_it_is_empty_after_a_batch(folded_line: FoldedLine) -> None:
    await folded_line.projection.prepare(folded_line.conn)
    async with folded_line.conn.transaction():
        await write_many(folded_line, 300)
    assert await number(folded_line.conn, "select count(*) from pg_temp.session_batch") == 0
    assert await number(folded_line.conn, "select count(*) from sessions.session") == 300


async def test_what_failed_batches_left_is_cleared_before_the_next(folded_line: FoldedLine) -> None:
    size = "select pg_relation_size('pg_temp.session_batch')"
    await folded_line.projection.prepare(folded_line.conn)
    for _ in range(3):
        try:
            async with folded_line.conn.transaction():
                await write_many(folded_line, 300)
                raise Failed
        except Failed:
            pass
    assert await number(folded_line.conn, size) > 0
    await folded_line.projection.prepare(folded_line.conn)
    assert await number(folded_line.conn, size) == 0
    assert await number(folded_line.conn, "select count(*) from sessions.session") == 0
