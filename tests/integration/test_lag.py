"""How far behind a follower is: counted near the head, estimated further back, never nothing by mistake."""

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from line import lag
from line.lag import LagProbe, summed
from schemas.subjects import partition_of
from tests.support.line import Line
from tests.support.settings import PARTITIONS

SESSIONS = [f"S{n}" for n in range(40)]
EVENTS = 600


@pytest.fixture
async def stored(settings: Settings, nc: Client) -> int:
    """Events of many sessions in turn; the sequence of the last."""
    line = Line(nc)
    for n in range(EVENTS):
        last = await line.put("event", SESSIONS[n % len(SESSIONS)], {"name": "n"})
    return last


def behind(sequence: int) -> dict[int, int]:
    return dict.fromkeys(range(PARTITIONS), sequence)


async def test_near_the_head_events_are_counted(nc: Client, stored: int) -> None:
    lags = await LagProbe(nc).lags("SESSIONS", behind(stored - 100))
    assert summed(lags.values()).events == 100
    assert summed((await LagProbe(nc).lags("SESSIONS", behind(stored))).values()).events == 0


async def test_further_back_they_are_estimated(
    nc: Client, stored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_NEAR", 50)
    meter = LagProbe(nc)
    for left in (EVENTS, 400, 200, 51):
        lags = await meter.lags("SESSIONS", behind(stored - left))
        assert summed(lags.values()).events == pytest.approx(left, rel=0.1)
        assert summed(lags.values()).counted == (left == EVENTS)  # all of a partition are easily counted
    near = summed((await meter.lags("SESSIONS", behind(stored - 50))).values())
    assert (near.events, near.counted) == (50, True)


async def test_a_line_that_grows_meanwhile_is_estimated_as_it_is_now(
    nc: Client, stored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_NEAR", 50)
    meter, line = LagProbe(nc), Line(nc)
    await meter.lags("SESSIONS", behind(1))
    for n in range(EVENTS):
        await line.put("event", SESSIONS[n % len(SESSIONS)], {"name": "n"})
    lags = await meter.lags("SESSIONS", behind(1))
    assert summed(lags.values()).events == pytest.approx(2 * EVENTS, rel=0.1)


async def test_partitions_are_estimated_by_what_they_hold(
    nc: Client, stored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_NEAR", 50)
    held = [partition_of(SESSIONS[n % len(SESSIONS)], PARTITIONS) for n in range(EVENTS)]
    lags = await LagProbe(nc).lags("SESSIONS", behind(stored - EVENTS // 2))
    for part in range(PARTITIONS):
        assert lags[part].events == pytest.approx(held.count(part) / 2, rel=0.1)
        assert (lags[part].since is None) == (part not in held)


async def test_one_that_has_something_left_never_reads_as_done(
    nc: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_NEAR", 1)
    line = Line(nc)
    await line.put("event", "rare", {"name": "n"})
    for _ in range(40):
        await line.put("event", "often", {"name": "n"})
    last = await line.put("event", "rare", {"name": "n"})
    await line.put("event", "often", {"name": "n"})
    part = partition_of("rare", PARTITIONS)
    assert part != partition_of("often", PARTITIONS)
    assert (await LagProbe(nc).lags("SESSIONS", {part: last - 1}))[part].events == 1
    assert (await LagProbe(nc).lags("SESSIONS", {part: last}))[part].events == 0
