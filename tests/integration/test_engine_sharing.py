"""Partitions are shared at once, without waiting for a lease to expire where nobody is silent."""

from consumers.engine.leases import NOBODY, Leases
from projections.sessions.fold import VERSION
from runtime.database.connections import Connection
from tests.support.settings import PARTITIONS


async def test_what_a_failure_made_it_forget_is_free_for_one_who_joined_meanwhile(db: Connection) -> None:
    old, new = (Leases("sessions", name, PARTITIONS, ttl=3600, version=VERSION) for name in ("a", "b"))
    await old.refresh(db, NOBODY)
    assert len(old.held) == PARTITIONS
    old.held = {}  # a batch failed
    await new.refresh(db, NOBODY)
    await old.refresh(db, NOBODY)
    await new.refresh(db, NOBODY)
    assert (len(old.held), len(new.held)) == (8, 8)
    assert old.held.keys() | new.held.keys() == set(range(PARTITIONS))
