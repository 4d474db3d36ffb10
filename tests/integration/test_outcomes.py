"""Outcomes of reactors, as several processes write them: the newest of all counts, and none is lost."""

import psycopg
import pytest

from consumers.reactors.outcomes import Outcomes
from foldline.settings import Settings
from line.raw_event import RawEvent
from runtime.database.connections import Connection, connect
from schemas.headers import NO_HEADERS
from tests.support.read_api import at


def event(sequence: int) -> RawEvent:
    return RawEvent("SESSIONS", 3, sequence, at(0), "ev.3.local.session.S1.ended", NO_HEADERS, b"")


def succeed(outcomes: Outcomes) -> None:
    with outcomes.measured("toy"):
        pass


def fail(outcomes: Outcomes, error: str) -> None:
    with pytest.raises(ZeroDivisionError), outcomes.measured("toy"):
        raise ZeroDivisionError(error)


async def noted(db: Connection) -> tuple[str | None, bool, bool]:
    """The last failure, whether there is a success, and whether the failure is newer."""
    cursor = await db.execute(
        "select failure, succeeded_at is not null, coalesce(failed_at > succeeded_at, false)"
        " from foldline.reactor where name = 'toy'"
    )
    row = await cursor.fetchone()
    assert row
    return row[0], row[1], row[2]


async def failing(db: Connection) -> list[tuple[int, int, str]]:
    cursor = await db.execute("select seq, tries, error from foldline.failing_event order by seq")
    return [(seq, tries, error) for seq, tries, error in await cursor.fetchall()]


class Clock:
    """A clock that goes forward by a minute whenever it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def minute(self) -> None:
        self.now += 60


async def test_the_newest_outcome_of_all_processes_counts(db: Connection) -> None:
    clock = Clock()
    one, other = Outcomes(["toy"], clock=clock), Outcomes(["another", "toy"], clock=clock)
    await one.write(db)
    assert await noted(db) == (None, False, False)
    fail(one, "first")
    clock.minute()
    succeed(one)
    clock.minute()
    fail(other, "second")
    clock.minute()
    await other.write(db)
    await one.write(db)
    assert await noted(db) == ("ZeroDivisionError: second", True, True)
    succeed(one)
    await one.write(db)
    await other.write(db)
    assert await noted(db) == ("ZeroDivisionError: second", True, False)


async def test_of_one_process_a_failure_and_the_success_behind_it_stay_in_order(db: Connection) -> None:
    clock = Clock()
    outcomes = Outcomes(["toy"], clock=clock)
    fail(outcomes, "mended")
    clock.now += 2e-6  # a microsecond is what PostgreSQL tells apart
    succeed(outcomes)
    await outcomes.write(db)
    assert await noted(db) == ("ZeroDivisionError: mended", True, False)


async def test_what_could_not_be_written_is_written_later(settings: Settings, db: Connection) -> None:
    outcomes = Outcomes(["toy"])
    fail(outcomes, "kept")
    outcomes.note_failing("toy", event(7), 5, ValueError("kept as well"))
    closed = await connect(settings, name="test")
    await closed.close()
    with pytest.raises(psycopg.OperationalError):
        await outcomes.write(closed)
    await outcomes.write(db)
    assert await noted(db) == ("ZeroDivisionError: kept", False, False)
    assert await failing(db) == [(7, 5, "ValueError: kept as well")]


async def test_failing_events_come_and_go(db: Connection) -> None:
    outcomes = Outcomes(["toy"])
    for sequence in (1, 2):
        outcomes.note_failing("toy", event(sequence), 5, ValueError("one"))
    await outcomes.write(db)
    outcomes.note_failing("toy", event(1), 6, ValueError("two"))
    outcomes.note_handled("toy", event(2))
    await outcomes.write(db)
    assert await failing(db) == [(1, 6, "ValueError: two")]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\ud800 \x00", "ValueError: ?"),
        ("first\nsecond", "ValueError: first"),
        ("x" * 600, "ValueError: " + "x" * 488),
        ("", "ValueError: "),
    ],
)
async def test_any_text_can_be_written(db: Connection, text: str, written: str) -> None:
    outcomes = Outcomes(["toy"])
    outcomes.note_failing("toy", event(1), 5, ValueError(text))
    await outcomes.write(db)
    assert [error.strip() for _, _, error in await failing(db)] == [written.strip()]
