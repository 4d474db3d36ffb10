"""A session as it was: at every prefix of its facts what the reference says of that prefix."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from projections.sessions.differences import differences
from projections.sessions.session_replay import SessionReplay
from tests.property.strategies import NOON, SESSIONS, fact_lists
from tests.reference.published import Published
from tests.reference.sessions import Reference, as_served
from tests.support.examples import examples
from tests.support.folding import raw_event

TIMEOUT = timedelta(seconds=60)
MANY = fact_lists()
DENSE = fact_lists(sessions=("S1",), min_size=12)


@examples(150)
@given(facts=st.one_of(MANY, DENSE))
def test_every_prefix_is_as_the_reference_says(facts: list[Published]) -> None:
    ones = {(site, name): SessionReplay((site, name)) for site in ("local", "fab2") for name in SESSIONS}
    for count, fact in enumerate(facts, 1):
        _, site, _, name, _ = fact.subject.split(".")
        if (site, name) not in ones:
            continue
        one = ones[site, name]
        one.add(raw_event(fact))
        now = fact.stored_at + timedelta(seconds=30)
        expected = Reference(facts[:count]).answer(name, now, site=site, timeout=TIMEOUT)
        assert (one.session is None) == (expected is None)
        if expected is not None:
            served = json.loads(b"".join(one.document(now, TIMEOUT)))
            assert as_served(served) == as_served(expected)


def test_a_skipped_fact_has_no_effect() -> None:
    facts = _states({"a": 1}, {"a": 2}, {"b": 3})
    one = SessionReplay(("local", "S1"), skipped={2})
    for fact in facts:
        one.add(raw_event(fact))
    assert one.session is not None
    assert one.session.state == {"a": 1, "b": 3}
    assert one.last is not None
    assert one.last.sequence == 3


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a/b", "~"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("a~/"), inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.dictionaries(st.sampled_from(["a", "b/c", "~d", ""]), _JSON, max_size=4)


@given(before=_OBJECTS, after=_OBJECTS)
def test_differences_lead_from_one_to_the_other(before: dict[str, object], after: dict[str, object]) -> None:
    changed = json.loads(json.dumps(before))
    for one in differences(before, after):
        *way, last = (part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:])
        place = changed
        for part in way:
            place = place[part]
        assert (last in place) == (one["change"] != "added")
        if one["change"] == "removed":
            assert json.dumps(place.pop(last)) == json.dumps(one["from"])
        else:
            place[last] = one["to"]
    assert json.dumps(changed, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert not list(differences(before, before))


def _states(*patches: dict[str, object]) -> list[Published]:
    return [
        Published("ev.local.session.S1.state", json.dumps(patch).encode(), n, NOON + timedelta(seconds=n), {})
        for n, patch in enumerate(patches, 1)
    ]
