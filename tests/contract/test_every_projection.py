"""The contract of a projection: the same cases for every one in the catalogue, fed with random facts."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldline.settings import Settings
from projections.catalogue import PROJECTIONS
from projections.generations import Role, create, name_of
from projections.projection import Projection
from runtime.database.connections import connect
from schemas.facts import EXPIRED
from schemas.registry import DECLARED
from tests.contract.facts import FACTS, Facts, facts_of, held, interleavings, repetitions, with_own_ids
from tests.property.strategies import BODIES, splits
from tests.reference.published import Published
from tests.support.folding import Folding, raw_event
from tests.support.settings import PARTITIONS

Rows = dict[str, list[str]]


@dataclass
class Case:
    """One projection with its facts: the generation that is folded live, and one to build beside it."""

    projection: Projection[Any, Any]
    facts: Facts
    live: Folding
    building: Folding


@pytest.fixture(scope="module", params=PROJECTIONS, ids=lambda projection: projection.name)
async def case(request: pytest.FixtureRequest, new_database: Callable[[], str]) -> AsyncIterator[Case]:
    projection: Projection[Any, Any] = request.param
    facts = facts_of(projection)
    config = Settings(_env_file=None, database_url=new_database())
    async with await connect(config, name="test-contract") as conn:
        await create(conn, projection, Role.BUILDING, PARTITIONS)
        built = projection.in_schema(name_of(projection.name, Role.BUILDING))
        yield Case(projection, facts, Folding(conn, projection), Folding(conn, built))


def test_there_are_facts_for_the_catalogue_and_for_nothing_else() -> None:
    assert FACTS.keys() == {projection.name for projection in PROJECTIONS}


def test_every_fact_of_a_family_is_folded_by_some_projection() -> None:
    """A fact that is declared in a family and in no fold is passed over, as if nobody knew it."""
    for entity, facts in DECLARED.facts.items():
        about = [projection for projection in PROJECTIONS if projection.entity == entity]
        assert facts == frozenset().union(*(projection.facts for projection in about))


def test_every_fact_of_a_session_is_drawn() -> None:
    assert BODIES.keys() == DECLARED.facts["session"]


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_every_read_model_has_the_same_files(projection: Projection[Any, Any]) -> None:
    found = {file.name for file in files(projection.package).iterdir() if file.name != "__pycache__"}
    assert {"fold.py", "projection.py"} <= found
    assert ("views.py" in found) == ("read.sql" in found)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_version_and_facts_are_those_of_the_fold(projection: Projection[Any, Any]) -> None:
    fold = import_module(f"{projection.package}.fold")
    assert (projection.version, projection.facts) == (fold.VERSION, fold.FACTS)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_it_folds_what_its_entity_has_and_its_end(projection: Projection[Any, Any]) -> None:
    assert projection.facts <= DECLARED.facts[projection.entity]
    assert DECLARED.facts[projection.entity] & {EXPIRED} <= projection.facts


async def rows_after(folding: Folding, batches: list[list[Published]], **how: Any) -> Rows:
    """Everything in the read model after it was folded from the start."""
    await folding.start_over()
    await folding.fold(batches, **how)
    return await folding.rows()


few = settings(max_examples=15)


@few
@given(data=st.data())
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
async def test_any_split_into_batches_gives_the_same_rows(
    case: Case, data: st.DataObject, together: bool
) -> None:
    facts = data.draw(case.facts.all)
    whole = await rows_after(case.live, [facts])
    assert await rows_after(case.live, data.draw(splits(facts)), together=together) == whole


@few
@given(data=st.data())
async def test_states_from_the_cache_and_from_their_rows_are_the_same(
    case: Case, data: st.DataObject
) -> None:
    batches = data.draw(case.facts.all.flatmap(splits))
    warm = await rows_after(case.live, batches)
    everywhere = set(range(len(batches)))
    cold = data.draw(st.one_of(st.just(everywhere), st.sets(st.sampled_from(range(len(batches))))))
    assert await rows_after(case.live, batches, cold=cold) == warm


@few
@given(data=st.data())
async def test_a_repeated_message_id_counts_once(case: Case, data: st.DataObject) -> None:
    once, repeated = data.draw(case.facts.lasting.flatmap(repetitions))
    found = await rows_after(case.live, data.draw(splits(repeated)))
    await case.live.start_over()
    await case.live.fold([once])
    case.live.saw(repeated)  # old message ids are forgotten as of the same store time
    expected = await case.live.rows()
    for rows in (expected, found):
        del rows["rejected"]  # what is rejected is rejected again
    assert found == expected


@few
@given(data=st.data())
async def test_a_batch_that_could_not_commit_and_comes_again_counts_once(
    case: Case, data: st.DataObject
) -> None:
    batches = data.draw(case.facts.all.flatmap(splits))
    expected = await rows_after(case.live, batches)
    fenced = data.draw(st.sets(st.integers(0, len(batches)), min_size=1))
    assert await rows_after(case.live, batches, fenced=fenced) == expected


@few
@given(data=st.data())
async def test_the_order_of_streams_and_partitions_does_not_show(case: Case, data: st.DataObject) -> None:
    facts = data.draw(case.facts.all)
    expected = await rows_after(case.live, [facts])
    assert await rows_after(case.live, data.draw(interleavings(facts).flatmap(splits))) == expected


@few
@given(data=st.data())
async def test_a_new_generation_equals_the_live_one(case: Case, data: st.DataObject) -> None:
    facts = data.draw(case.facts.all)
    live = await rows_after(case.live, data.draw(splits(facts)))
    assert await rows_after(case.building, data.draw(splits(facts)), together=True) == live


@few
@given(data=st.data())
async def test_a_new_generation_folds_what_the_line_still_holds(case: Case, data: st.DataObject) -> None:
    """Levels are replaced on the line, and what expired has left it: rows show neither."""
    facts = with_own_ids(data.draw(case.facts.all))
    live = await rows_after(case.live, data.draw(splits(facts)))
    await case.building.start_over()
    await case.building.fold(data.draw(splits(held(facts))), together=True)
    case.building.saw(facts)  # old message ids are forgotten as of the same store time
    built = await case.building.rows()
    assert {name: rows for name, rows in built.items() if name != "rejected"} == {
        name: rows for name, rows in live.items() if name != "rejected"
    }
    assert set(built["rejected"]) == {row for row in live["rejected"] if not of_a_level(row)} | {
        row for row in built["rejected"] if of_a_level(row)
    }


def of_a_level(row: str) -> bool:
    """Whether a rejected event was on a stream that keeps only the newest message of a subject."""
    return row.split(",")[1] in DECLARED.latest_only


@few
@given(data=st.data())
async def test_a_new_generation_keeps_what_the_line_no_longer_holds(case: Case, data: st.DataObject) -> None:
    facts = with_own_ids(data.draw(case.facts.all))
    live = await rows_after(case.live, [facts])
    aging = [stream.name for stream in case.projection.streams if stream.days]
    first_sequences = {stream: data.draw(st.integers(1, len(facts) + 1)) for stream in aging}
    left = [one for one in facts if one.seq >= first_sequences.get(raw_event(one).stream, 0)]
    await case.building.start_over()
    async with case.building.conn.transaction():
        built = case.building.projection
        await built.carry_over(case.building.conn, case.projection.schema, first_sequences)
    await case.building.fold([left])
    found = await case.building.rows()
    if aging:  # nothing carries over what was rejected, old message ids, and maxima of aggregates
        for table in ("rejected", "message_id", *case.projection.aggregates):
            del live[table], found[table]
    assert found == live
