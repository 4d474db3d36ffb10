"""The projector against the reference fold, and against itself however its input is cut."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import projections.sessions.fold
from foldline.settings import Settings
from runtime.database.connections import connect
from tests.property.strategies import SESSIONS, fact_lists, interleavings, splits
from tests.reference.published import Published
from tests.reference.sessions import Reference, as_served
from tests.support.examples import examples
from tests.support.folding import Folding


@pytest.fixture(scope="module")
async def folding(new_database: Callable[[], str]) -> AsyncIterator[Folding]:
    settings = Settings(_env_file=None, database_url=new_database())
    async with await connect(settings, name="test-fold") as conn:
        yield Folding(conn)


@pytest.fixture(scope="module")
async def refusing(new_database: Callable[[], str]) -> AsyncIterator[Folding]:
    """A database that does not take events of one name, for a reason that only it knows."""
    settings = Settings(_env_file=None, database_url=new_database())
    async with await connect(settings, name="test-fold") as conn:
        await conn.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            " if new.name = 'poison' then raise data_exception; end if; return new; end $$"
        )
        await conn.execute(
            "create trigger refuse before insert on sessions.event for each row execute function refuse()"
        )
        yield Folding(conn)


MANY = fact_lists()
DENSE = fact_lists(sessions=("S1",), min_size=12)
# Without `expired`: what is erased in the batch that brought it never meets PostgreSQL.
LASTING = fact_lists(
    kinds=st.sampled_from(["created", "state", "event", "event", "event", "metric", "heartbeat", "ended"]),
    sessions=("S1",),
    min_size=8,
)


async def check(folding: Folding, facts: list[Published]) -> None:
    """Everything served, and everything set aside, is what the reference says."""
    reference = Reference(facts)
    assert await folding.rejected() == reference.rejected
    for session_id in SESSIONS:
        for site in ("local", "fab2"):
            document = await folding.document(session_id, site)
            served = document and as_served(json.loads(document))
            expected = reference.answer(session_id, datetime.now(UTC), site=site)
            assert served == as_served(expected)


@examples(150)
@given(facts=st.one_of(MANY, DENSE))
async def test_equals_the_reference(folding: Folding, facts: list[Published]) -> None:
    await folding.start_over()
    await folding.fold([facts])
    await check(folding, facts)


@examples(60)
@given(data=st.data())
async def test_equals_the_reference_when_postgres_refuses_some(
    refusing: Folding, data: st.DataObject
) -> None:
    facts = data.draw(LASTING)
    refused = [replace(fact, body=b"{") if b'"poison"' in fact.body else fact for fact in facts]
    await refusing.start_over()
    await refusing.fold(data.draw(splits(facts)))
    await check(refusing, refused)


@examples(100)
@given(data=st.data())
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
async def test_any_split_into_batches_gives_the_same_rows(
    folding: Folding, data: st.DataObject, together: bool
) -> None:
    facts = data.draw(fact_lists(min_size=8))
    await folding.start_over()
    await folding.fold([facts])
    rows = await folding.rows()
    await folding.start_over()
    await folding.fold(data.draw(splits(facts)), together=together)
    assert await folding.rows() == rows


@examples(100)
@given(data=st.data())
@pytest.mark.parametrize("kinds", [None, ["created", "heartbeat", "heartbeat", "expired"]])
async def test_any_interleaving_of_the_streams_gives_the_same_rows(
    folding: Folding, data: st.DataObject, kinds: list[str] | None
) -> None:
    facts = data.draw(
        fact_lists(min_size=8)
        if kinds is None
        else fact_lists(kinds=st.sampled_from(kinds), sessions=("S1",), min_size=3, max_size=10)
    )
    await folding.start_over()
    await folding.fold([facts])
    rows = await folding.rows()
    await folding.start_over()
    await folding.fold(data.draw(splits(data.draw(interleavings(facts)))))
    assert await folding.rows() == rows


_MOST = 60
_PATCHED = st.dictionaries(
    st.sampled_from(["a", "é", "product"]),
    st.recursive(
        st.one_of(st.none(), st.text('x\n"ü\U0001fae8', max_size=20), st.integers(-(10**12), 10**12)),
        lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=3) | st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
_GROWING = fact_lists(
    kinds=st.sampled_from(["created", *["state"] * 8, "expired"]), sessions=("S1", "S2"), min_size=6
)


@pytest.fixture(scope="module")
def small_states() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projections.sessions.fold, "MOST_STATE_BYTES", _MOST)
        yield


@examples(150)
@given(data=st.data())
async def test_what_is_too_large_does_not_depend_on_what_was_cached(
    folding: Folding, small_states: None, data: st.DataObject
) -> None:
    facts = [
        replace(fact, body=json.dumps(data.draw(_PATCHED)).encode()) if fact.fact == "state" else fact
        for fact in data.draw(_GROWING)
    ]
    reference = Reference(facts, most_state_bytes=_MOST)
    await folding.start_over()
    await folding.fold([facts])
    rows = await folding.rows()
    assert await folding.rejected() == reference.rejected
    batches = data.draw(splits(facts))
    for how in ({"cold": range(len(batches))}, {"together": True}):
        await folding.start_over()
        await folding.fold(batches, **how)  # type: ignore[arg-type]
        assert await folding.rows() == rows
    for session_id in ("S1", "S2"):
        document = await folding.document(session_id)
        served = document and as_served(json.loads(document))
        assert served == as_served(reference.answer(session_id, datetime.now(UTC)))
