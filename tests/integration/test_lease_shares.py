"""Leases of a team that starts together: each takes its own share at once, and none has to give any up."""

from consumers.engine.leases import Leases, Moved, identify
from projections.sessions.fold import VERSION
from runtime.database.connections import Connection
from tests.support.settings import PARTITIONS


def leases(name: str, replicas: int) -> Leases:
    return Leases("sessions", name, PARTITIONS, 3600, version=VERSION, replicas=replicas)


async def refreshed(db: Connection, one: Leases) -> Moved:
    return await one.refresh(db, await identify(db))


async def test_the_first_leaves_the_others_their_share(db: Connection) -> None:
    team = [leases(name, 3) for name in "abc"]
    for one in team:
        assert (await refreshed(db, one)).surplus == set()
    assert [len(one.held) for one in team] == [6, 5, 5]
    assert set().union(*(one.held for one in team)) == set(range(PARTITIONS))


async def test_more_than_were_expected_share_all_the_same(db: Connection) -> None:
    first, second = leases("a", 1), leases("b", 1)
    await refreshed(db, first)
    assert len(first.held) == PARTITIONS
    await refreshed(db, second)
    assert len((await refreshed(db, first)).surplus) == PARTITIONS // 2
