"""The publisher against a real server: positions, idempotency, optimistic concurrency, bytes."""

import asyncio
import json
import random
import uuid

import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from producers.publishing.publisher import Ack, BusUnavailable, Conflict, Publisher, Refused
from schemas.facts import MESSAGE_ID, TIME, Fact
from schemas.stored_subjects import stored_form
from schemas.subjects import Subject, partition_of
from schemas.validation import InvalidFact
from tests.support.publisher import (
    fact,
    number,
    numbered,
    open_publisher,
    sequence,
    sequences,
    stored,
    stored_of,
)
from tests.support.settings import PARTITIONS

chance = random.Random(7)  # repeatable


def new_id() -> str:
    return uuid.uuid4().hex


async def test_single_fact_is_stored_where_the_answer_says(publisher: Publisher, observer: Client) -> None:
    session = new_id()
    ack = await publisher.publish(fact(session))
    (message,) = await stored_of(observer, session)
    assert ack == Ack(ack.position, duplicate=False)
    assert (ack.position.stream, ack.position.sequence) == ("SESSIONS", sequence(message))
    assert message.subject == f"ev.{ack.position.partition}.local.session.{session}.event"
    assert ack.position.partition == partition_of(session, PARTITIONS)


@pytest.mark.parametrize("size", [2, 64, 65, 300, 2500])
async def test_positions_of_many(publisher: Publisher, observer: Client, size: int) -> None:
    sessions = [new_id() for _ in range(max(1, size // 3))]
    facts = [numbered(chance.choice(sessions), n) for n in range(size)]
    outcomes = await publisher.publish_many(facts, timeout=30)
    assert len(outcomes) == size
    by_sequence = {sequence(message): message for message in await stored(observer)}
    for given, seq in zip(facts, sequences(outcomes), strict=True):
        message = by_sequence[seq]
        assert message.data == given.body
        assert message.subject == stored_form(str(given.subject), PARTITIONS)


async def test_partitions_are_computed_as_the_server_does(publisher: Publisher, observer: Client) -> None:
    alphabet = "ABCXYZabcxyz0189_-"
    ids = ["".join(chance.choices(alphabet, k=chance.randint(1, 128))) for _ in range(300)]
    await publisher.publish_many([fact(session) for session in ids])
    seen = {
        message.subject.split(".")[4]: message.subject.split(".")[1] for message in await stored(observer)
    }
    assert {session: seen[session] for session in ids} == {
        session: str(partition_of(session, PARTITIONS)) for session in ids
    }


async def test_heartbeats_have_their_own_stream(publisher: Publisher, observer: Client) -> None:
    session = new_id()
    outcomes = await publisher.publish_many([fact(session, "heartbeat", b"") for _ in range(12)])
    assert {outcome.position.stream for outcome in outcomes if isinstance(outcome, Ack)} == {"HEARTBEATS"}
    (newest,) = await stored(observer, f"ev.*.local.session.{session}.heartbeat", "HEARTBEATS")
    assert sequence(newest) == max(sequences(outcomes))


@pytest.mark.parametrize("size", [1, 10, 100])
async def test_bytes_and_headers_pass_unchanged(publisher: Publisher, observer: Client, size: int) -> None:
    session = new_id()
    body = '{ "name":"ü\\u00e9",\n\t"data" : {"b":1.0, "a":1e2 ,"z":"\\/"} , "extra":[ ] }'.encode()
    await publisher.publish_many([fact(session, body=body) for _ in range(size)])
    for message in await stored_of(observer, session):
        assert message.data == body
        assert message.headers is not None
        assert message.headers[TIME].endswith("Z")
        assert message.headers[MESSAGE_ID].startswith("auto:")


@pytest.mark.parametrize("others", [0, 5, 200])
async def test_same_key_again_has_no_effect_and_the_first_answer(
    publisher: Publisher, observer: Client, others: int
) -> None:
    session = new_id()
    first = await publisher.publish(numbered(session, 1, key="once"))
    again = [numbered(session, 2, key="once"), *(numbered(new_id(), n) for n in range(others))]
    outcomes = await publisher.publish_many(again)
    assert outcomes[0] == Ack(first.position, duplicate=True)
    assert all(isinstance(outcome, Ack) and not outcome.duplicate for outcome in outcomes[1:])
    assert [number(message) for message in await stored_of(observer, session)] == [1]


@pytest.mark.parametrize("others", [0, 200])
async def test_same_key_twice_at_once(publisher: Publisher, observer: Client, others: int) -> None:
    session = new_id()
    facts = [*(numbered(new_id(), n) for n in range(others))]
    facts += [numbered(session, n, key="once") for n in range(3)]
    outcomes = (await publisher.publish_many(facts))[-3:]
    assert len(set(sequences(outcomes))) == 1
    assert [outcome.duplicate for outcome in outcomes if isinstance(outcome, Ack)] == [False, True, True]
    assert [number(message) for message in await stored_of(observer, session)] == [0]


async def test_expected_last_sequence(publisher: Publisher, observer: Client) -> None:
    session = new_id()
    created = fact(session, "created", b'{"product":"p","version":"1"}')
    first = await publisher.publish(created, expected_last=0)
    with pytest.raises(Conflict) as conflict:
        await publisher.publish(fact(session), expected_last=0)
    assert conflict.value.last == first.position.sequence
    second = await publisher.publish(fact(session), expected_last=first.position.sequence)
    with pytest.raises(Conflict) as conflict:
        await publisher.publish(fact(session, "state", b"{}"), expected_last=first.position.sequence)
    assert conflict.value.last == second.position.sequence
    assert len(await stored_of(observer, session)) == 2


async def test_retry_of_an_expecting_fact_answers_the_first_position(publisher: Publisher) -> None:
    session = new_id()
    created = fact(session, "created", b'{"product":"p","version":"1"}', key="k")
    first = await publisher.publish(created, expected_last=0)
    await publisher.publish(fact(session))
    assert await publisher.publish(created, expected_last=0) == Ack(first.position, duplicate=True)


@pytest.mark.parametrize("others", [0, 100])
async def test_two_creations_cannot_both_win(publisher: Publisher, observer: Client, others: int) -> None:
    session = new_id()
    body = b'{"product":"p","version":"1"}'
    noise = [publisher.publish(fact(new_id())) for _ in range(others)]
    rivals = [publisher.publish(fact(session, "created", body), expected_last=0) for _ in range(5)]
    outcomes = await asyncio.gather(*noise, *rivals, return_exceptions=True)
    assert all(isinstance(outcome, Ack) for outcome in outcomes[:others])
    assert sorted(type(outcome).__name__ for outcome in outcomes[others:]) == ["Ack", *["Conflict"] * 4]
    assert len(await stored_of(observer, session)) == 1


async def test_each_caller_gets_its_own_answer_when_a_batch_is_refused(
    publisher: Publisher, observer: Client
) -> None:
    sessions = [new_id() for _ in range(150)]
    taken = await publisher.publish(numbered(sessions[0], -1, key="k"))
    tasks = [
        publisher.publish(numbered(session, n, key="k" if session == sessions[0] and n == 0 else None))
        for n in range(2)
        for session in sessions
    ]
    tasks.append(publisher.publish(fact(sessions[1]), expected_last=0))
    *outcomes, conflict = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(conflict, Conflict)
    assert outcomes[0] == Ack(taken.position, duplicate=True)
    assert all(isinstance(outcome, Ack) and not outcome.duplicate for outcome in outcomes[1:])
    for session in sessions[1:]:
        assert [number(message) for message in await stored_of(observer, session)] == [0, 1]


async def test_unknown_fact_is_refused_from_the_schema(publisher: Publisher) -> None:
    nonsense = Fact(Subject("local", "session", "S", "nonsense"), b"{}", "auto:x", {})
    with pytest.raises(InvalidFact) as refusal:
        await publisher.publish(nonsense)
    assert refusal.value.reason == "unknown_fact"


async def test_fact_larger_than_the_bus_takes_is_refused(publisher: Publisher) -> None:
    huge = Fact(Subject("local", "session", "S", "event"), b"x" * (8 << 20), "auto:x", {})
    with pytest.raises(InvalidFact) as refusal:
        await publisher.publish(huge)
    assert refusal.value.reason == "too_large"


async def test_facts_near_the_limit_are_batched_within_bounds(publisher: Publisher, observer: Client) -> None:
    session = new_id()
    body = b'{"name":"n","message":"' + b"x" * 900_000 + b'"}'
    outcomes = await publisher.publish_many([fact(session, body=body) for _ in range(20)])
    assert sequences(outcomes) == sorted(sequences(outcomes))
    assert len(await stored_of(observer, session)) == 20


async def test_what_the_server_will_never_take_is_told_as_such(
    publisher: Publisher, observer: Client
) -> None:
    await observer.request("$JS.API.STREAM.UPDATE.HEARTBEATS", await _config(observer, max_msg_size=500))
    try:
        with pytest.raises(Refused):
            await publisher.publish(fact(new_id(), "heartbeat", b'{"x":"' + b"y" * 600 + b'"}'))
    finally:
        await observer.request("$JS.API.STREAM.UPDATE.HEARTBEATS", await _config(observer, max_msg_size=-1))


async def test_waits_for_room_in_order(line_server: NatsServer, observer: Client) -> None:
    session = new_id()
    async with open_publisher(line_server, waiting_messages=10) as publisher:
        tasks = [publisher.publish(numbered(session, n)) for n in range(50)]
        outcomes = await asyncio.gather(
            *tasks, publisher.publish_many([numbered(session, n) for n in range(50, 90)])
        )
    assert sequences([*outcomes[:-1], *outcomes[-1]]) == sorted(sequences([*outcomes[:-1], *outcomes[-1]]))
    assert [number(message) for message in await stored_of(observer, session)] == list(range(90))


async def test_closing_finishes_what_is_under_way(line_server: NatsServer, observer: Client) -> None:
    session = new_id()
    async with open_publisher(line_server, waiting_messages=10) as publisher:
        tasks = [asyncio.create_task(publisher.publish(numbered(session, n))) for n in range(30)]
        await asyncio.sleep(0)
        await publisher.aclose()
        await asyncio.gather(*tasks)
        with pytest.raises(BusUnavailable):
            await publisher.publish(fact(session))
    assert len(await stored_of(observer, session)) == 30


async def _config(nc: Client, **changes: int) -> bytes:
    info = json.loads((await nc.request("$JS.API.STREAM.INFO.HEARTBEATS")).data)
    return json.dumps(info["config"] | changes).encode()
