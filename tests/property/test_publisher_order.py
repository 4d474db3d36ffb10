"""However facts are published at once: each is there once, each entity in order, each caller answered."""

import asyncio
import uuid
from dataclasses import dataclass

from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from nats.aio.client import Client

from producers.publishing.publisher import Ack, Conflict, Publisher
from tests.support.examples import examples
from tests.support.publisher import number, numbered, sequence, stored_of


@dataclass(frozen=True)
class Call:
    """One caller: the session it writes to, how many facts at once, its key, what it expects."""

    session: int
    facts: int
    key: str | None
    expects_none: bool


sessions_of = st.integers(0, 3)
ones = st.builds(
    Call,
    session=sessions_of,
    facts=st.just(1),
    key=st.sampled_from([None, None, None, "a", "b"]),
    expects_none=st.booleans(),
)
groups = st.builds(
    Call,
    session=sessions_of,
    facts=st.sampled_from([2, 30, 90]),
    key=st.none(),
    expects_none=st.just(False),
)
several_calls = st.lists(ones | groups, min_size=1, max_size=40)


# Every example has sessions of its own, so it may share the line with the others.
@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=several_calls)
async def test_order_and_answers(publisher: Publisher, observer: Client, calls: list[Call]) -> None:
    sessions = [uuid.uuid4().hex for _ in range(4)]
    tasks = []
    for index, call in enumerate(calls):
        session = sessions[call.session]
        if call.facts == 1:
            expected = 0 if call.expects_none else None
            fact = numbered(session, index * 1000, key=call.key)
            tasks.append(_one(publisher.publish(fact, expected_last=expected)))
        else:
            tasks.append(
                publisher.publish_many([numbered(session, index * 1000 + i) for i in range(call.facts)])
            )
    outcomes = await asyncio.gather(*tasks)
    await _check(observer, sessions, calls, outcomes)


async def _one(publishing: object) -> list[object]:
    try:
        return [await publishing]  # type: ignore[misc]
    except Conflict as conflict:
        return [conflict]


async def _check(
    observer: Client, sessions: list[str], calls: list[Call], outcomes: list[list[object]]
) -> None:
    for which, session in enumerate(sessions):
        kept = {sequence(message): number(message) for message in await stored_of(observer, session)}
        mine = [(index, call) for index, call in enumerate(calls) if call.session == which]
        fresh: list[int] = []
        firsts: dict[str, int] = {}
        for index, call in mine:
            assert len(outcomes[index]) == call.facts
            for i, outcome in enumerate(outcomes[index]):
                if isinstance(outcome, Conflict):
                    assert call.expects_none
                    assert outcome.last in kept
                    continue
                assert isinstance(outcome, Ack)
                at = outcome.position.sequence
                if outcome.duplicate:
                    assert call.key is not None
                    assert at == firsts[call.key]
                    continue
                assert kept[at] == index * 1000 + i
                assert not call.expects_none or at == min(kept)
                fresh.append(at)
                if call.key is not None:
                    assert firsts.setdefault(call.key, at) == at
        # Stored in the order in which they were called, and nothing else is there.
        assert fresh == sorted(kept)
