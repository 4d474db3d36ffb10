"""The bound on a session's state."""

from datetime import UTC, datetime, timedelta

from projections.sessions.fold import MOST_STATE_BYTES
from runtime.database.connections import Connection
from tests.reference.published import Published
from tests.support.folding import Folding

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def state(seq: int, body: bytes, session_id: str = "S1") -> Published:
    return Published(f"ev.local.session.{session_id}.state", body, seq, NOON + timedelta(seconds=seq))


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
