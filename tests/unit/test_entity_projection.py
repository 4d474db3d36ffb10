"""The usual projection: one row an entity, until it expires."""

import pytest

from projections.columns import SmallInt, StoredState
from projections.entity_projection import EntityProjection
from projections.projection import StateKey
from projections.recorded import Recorded, decode
from projections.state_table import StateTable
from schemas.facts import EXPIRED
from schemas.sessions.streams import SESSIONS
from schemas.validation import InvalidFact
from tests.property.strategies import NOON
from tests.reference.published import Published
from tests.support.folding import raw_event


class Endings(StoredState):
    """How often a session ended."""

    part: SmallInt
    times: int = 0


class EndingsProjection(EntityProjection[Endings]):
    """Changes the state that it is given, and refuses a third end."""

    name = "endings"
    package = "projections"
    version = 1
    streams = (SESSIONS,)
    entity = "session"
    facts = frozenset({"ended", EXPIRED})
    table = StateTable("endings", Endings)

    def after(self, before: Endings | None, event: Recorded) -> Endings:
        after = before or Endings(event.partition)
        after.times += 1
        if after.times > 2:
            raise InvalidFact("too_many", "a session ends twice at most")
        return after


KEY = ("local", "S1")


def event(fact: str) -> Recorded:
    return decode(raw_event(Published(f"ev.local.session.S1.{fact}", b"", 1, NOON, {})))


def test_the_state_before_is_left_as_it_was() -> None:
    endings = EndingsProjection()
    states: dict[StateKey, Endings | None] = {}
    seen = []
    for _ in range(2):
        endings.fold(states, event("ended"), endings.changes())
        seen.append(states[KEY])
    assert [state and state.times for state in seen] == [1, 2]
    with pytest.raises(InvalidFact):
        endings.fold(states, event("ended"), endings.changes())
    assert states == {KEY: seen[1]}
    assert states[KEY] == Endings(seen[1].part if seen[1] else 0, times=2)


def test_what_expired_has_no_state_and_is_deleted() -> None:
    endings = EndingsProjection()
    changes = endings.changes()
    states: dict[StateKey, Endings | None] = {KEY: Endings(0, times=1)}
    assert endings.needs(event("expired")) == ()
    assert endings.needs(event("ended")) == (KEY,)
    endings.fold(states, event("expired"), changes)
    assert (states, changes) == ({KEY: None}, {KEY})
    endings.fold(states, event("ended"), changes)
    assert states[KEY] == Endings(event("ended").partition, times=1)


def test_its_table_is_made_from_its_declaration() -> None:
    made = " ".join(EndingsProjection("endings_building").schema_sql().split())
    assert made == (
        'create table "endings_building".endings ( part smallint not null, site text not null, '
        "id text not null, times bigint not null, primary key (site, id) ) with (fillfactor = 80)"
    )
