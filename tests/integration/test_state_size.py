"""The bound on a session's state: sizes as they are served, with a cold cache and a warm one."""

import json
from datetime import UTC, datetime, timedelta

from projections.sessions.fold import MOST_STATE_BYTES
from runtime.database.connections import Connection
from schemas.validation import MAX_FACT_BYTES
from tests.reference.published import Published
from tests.support.folding import Folding

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NUMBERS = (MAX_FACT_BYTES - 100) // len("1e308,")


def state(seq: int, body: bytes, session_id: str = "S1") -> Published:
    return Published(f"ev.local.session.{session_id}.state", body, seq, NOON + timedelta(seconds=seq))


def full(seq: int) -> Published:
    """A patch of 1 MiB, each of whose numbers has 309 digits where it is spelt out."""
    return state(seq, b'{"k%d":[%b]}' % (seq, b",".join([b"1e308"] * NUMBERS)))


async def test_numbers_of_many_digits_are_measured_as_they_are_served(db: Connection) -> None:
    """21 of these were 1.1 GB, which PostgreSQL could not build: every list with the session was 503."""
    line = [full(seq) for seq in range(1, 22)]
    line += [state(22, b'{"k1":null}'), full(23), state(24, b'{"k2":null,"small":1}')]
    too_large = {("SESSIONS", seq) for seq in range(3, 22)}
    folding = Folding(db)
    await folding.start_over()
    await folding.fold([[fact] for fact in line], cold=range(20, 24))
    assert await folding.rejected() == too_large
    cursor = await db.execute("select distinct reason from sessions.rejected")
    assert await cursor.fetchall() == [("state_too_large",)]
    live = await folding.rows()

    await folding.start_over()
    await folding.fold([line], together=True)
    assert await folding.rows() == live
    document = json.loads(await folding.document("S1") or b"")
    assert document["state"] == {"k23": [1e308] * NUMBERS, "small": 1}
    assert [list(one["state"]) for one in document["state_history"]] == [
        ["k1"],
        ["k1", "k2"],
        ["k2"],
        ["k2", "k23"],
        ["k23", "small"],
    ]


async def test_a_patch_that_makes_a_state_smaller_is_always_accepted(db: Connection) -> None:
    """A late `created` adds product and version to a state that is full."""
    half = MOST_STATE_BYTES // 2
    line = [
        state(1, b'{"a":"%b"}' % (b"x" * (half - 8))),
        state(2, b'{"b":"%b"}' % (b"x" * (half - 8))),
        Published(
            "ev.local.session.S1.created", b'{"product":"P","version":"1"}', 3, NOON + timedelta(seconds=3)
        ),
        state(4, b'{"c":1}'),
        state(5, b'{"version":"2"}'),  # not smaller, not larger
        state(6, b'{"version":""}'),
        state(7, b'{"version":"3"}'),
        state(8, b'{"a":null}'),
        state(9, b'{"version":"4"}'),
    ]
    folding = Folding(db)
    await folding.start_over()
    await folding.fold([[fact] for fact in line], cold=[3, 5, 6])
    assert await folding.rejected() == {("SESSIONS", 4), ("SESSIONS", 7)}
    cursor = await db.execute("select state->>'version', length(state->>'b') from sessions.session")
    assert await cursor.fetchall() == [("4", half - 8)]
