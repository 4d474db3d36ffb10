"""Partitions are shared at once, without waiting for a lease to expire where nobody is silent."""

from consumers.engine.leases import NOBODY, Leases
from runtime.database.connections import Connection


async def test_what_a_failure_made_it_forget_is_free_for_one_who_joined_meanwhile(db: Connection) -> None:
    old, new = (Leases("sessions", name, 16, ttl=3600, version=1) for name in ("a", "b"))
    await old.refresh(db, NOBODY)
    assert len(old.held) == 16
    old.held = {}  # a batch failed
    await new.refresh(db, NOBODY)
    await old.refresh(db, NOBODY)
    await new.refresh(db, NOBODY)
    assert (len(old.held), len(new.held)) == (8, 8)
    assert old.held.keys() | new.held.keys() == set(range(16))
