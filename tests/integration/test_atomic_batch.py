"""Facts of several entities in one atomic batch on a real server: all are stored, or none."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from line.connection import connect_bus
from producers.publishing.atomic_batch import AT_ONCE
from producers.publishing.publisher import Ack, BusUnavailable, Conflict, Publisher, Refused
from schemas.facts import Fact
from schemas.subjects import Subject
from tests.support.publisher import fact, numbered, open_publisher, sequence, stopped, stored, stored_of
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


def new_ids(count: int) -> list[str]:
    return [uuid.uuid4().hex for _ in range(count)]


def expecting(ids: Sequence[str], *, key: str | None = None, expected: int = 0) -> list[tuple[Fact, int]]:
    return [(numbered(session, n, key=key), expected) for n, session in enumerate(ids)]


async def lasts(nc: Client, ids: Sequence[str]) -> list[list[int]]:
    return [[sequence(message) for message in await stored_of(nc, one)] for one in ids]


async def test_all_are_stored_where_the_answers_say(publisher: Publisher, observer: Client) -> None:
    ids = new_ids(3)
    acks = await publisher.publish_atomically(expecting(ids))
    assert [[ack.position.sequence] for ack in acks] == await lasts(observer, ids)
    assert not any(ack.duplicate for ack in acks)
    following = [(numbered(one, 9), ack.position.sequence) for one, ack in zip(ids, acks, strict=True)]
    again = await publisher.publish_atomically(following)
    assert [len(each) for each in await lasts(observer, ids)] == [2, 2, 2]
    assert again[0].position.sequence == acks[-1].position.sequence + 1


async def test_one_fact_alone_is_a_batch_too(publisher: Publisher, observer: Client) -> None:
    (one,) = new_ids(1)
    (ack,) = await publisher.publish_atomically(expecting([one]))
    assert await lasts(observer, [one]) == [[ack.position.sequence]]
    with pytest.raises(Conflict):
        await publisher.publish_atomically(expecting([one]))


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_one_that_is_elsewhere_stops_all_and_is_named(
    publisher: Publisher, observer: Client, which: int
) -> None:
    ids = new_ids(3)
    first = await publisher.publish(fact(ids[which]))
    with pytest.raises(Conflict) as conflict:
        await publisher.publish_atomically(expecting(ids))
    assert conflict.value.fact.subject.id == ids[which]
    assert conflict.value.last == first.position.sequence
    assert ids[which] in str(conflict.value)
    assert [len(each) for each in await lasts(observer, ids)] == [int(n == which) for n in range(3)]


async def test_a_sequence_that_was_never_reached_is_a_conflict(
    publisher: Publisher, observer: Client
) -> None:
    ids = new_ids(2)
    with pytest.raises(Conflict) as conflict:
        await publisher.publish_atomically([(numbered(ids[0], 0), 0), (numbered(ids[1], 1), 10**9)])
    assert (conflict.value.fact.subject.id, conflict.value.last) == (ids[1], 0)
    assert await lasts(observer, ids) == [[], []]


async def test_a_retry_answers_the_first_positions(publisher: Publisher, observer: Client) -> None:
    ids = new_ids(3)
    first = await publisher.publish_atomically(expecting(ids, key="k"))
    await publisher.publish(fact(ids[1]))  # later facts change nothing in that
    again = await publisher.publish_atomically(expecting(ids, key="k"))
    assert again == [Ack(ack.position, duplicate=True) for ack in first]
    assert [len(each) for each in await lasts(observer, ids)] == [1, 2, 1]


async def test_a_retry_with_another_entity_stores_nothing(publisher: Publisher, observer: Client) -> None:
    """The user is the same under the same key, the name is another: the first batch stands."""
    user, name, other = new_ids(3)
    first = await publisher.publish_atomically(expecting([user, name], key="k"))
    with pytest.raises(Conflict) as conflict:
        await publisher.publish_atomically(expecting([user, other], key="k"))
    assert (conflict.value.fact.subject.id, conflict.value.last) == (user, first[0].position.sequence)
    assert [len(each) for each in await lasts(observer, [user, name, other])] == [1, 1, 0]


async def test_a_message_id_that_was_used_is_refused(publisher: Publisher, observer: Client) -> None:
    ids = new_ids(2)
    used = await publisher.publish(numbered(ids[0], 0, key="k"))
    batch = [(numbered(ids[0], 1, key="k"), used.position.sequence), (numbered(ids[1], 1), 0)]
    with pytest.raises(Refused, match="duplicate message id"):
        await publisher.publish_atomically(batch)
    assert [len(each) for each in await lasts(observer, ids)] == [1, 0]


async def test_what_cannot_be_one_batch_is_a_mistake(publisher: Publisher) -> None:
    (one,) = new_ids(1)
    job = Fact(Subject("local", "job", one, "started"), b"{}", "auto:1", {})
    with pytest.raises(ValueError, match="one fact of each entity"):
        await publisher.publish_atomically([(numbered(one, 0), 0), (numbered(one, 1), 0)])
    with pytest.raises(ValueError, match="none of a family with slots"):
        await publisher.publish_atomically([(job, 0)])
    with pytest.raises(ValueError, match="one stream"):
        await publisher.publish_atomically([(numbered(one, 0), 0), (fact(one, "heartbeat", b""), 0)])


async def test_many_at_once_beside_other_facts(publisher: Publisher, observer: Client) -> None:
    groups = [new_ids(3) for _ in range(4 * AT_ONCE)]
    outcomes = await asyncio.gather(
        *(publisher.publish_atomically(expecting(ids), timeout=30) for ids in groups),
        *(publisher.publish_many([fact(one) for one in new_ids(50)]) for _ in range(5)),
    )
    for ids, acks in zip(groups, outcomes, strict=False):
        assert [[ack.position.sequence] for ack in acks if isinstance(ack, Ack)] == await lasts(observer, ids)


async def test_a_batch_waits_for_room_on_the_server(publisher: Publisher, observer: Client) -> None:
    """The server stages 50 batches of a stream, whoever sends them."""
    staged = new_ids(50)
    for one in staged:
        headers = {"Nats-Batch-Id": one, "Nats-Batch-Sequence": "1"}
        await observer.publish(f"ev.local.session.{one}.event", b'{"name":"n"}', headers=headers)
    await observer.flush()
    ids = new_ids(3)
    waiting = asyncio.create_task(publisher.publish_atomically(expecting(ids), timeout=30))
    await asyncio.sleep(0)
    assert not waiting.done()
    for one in staged[:10]:
        headers = {"Nats-Batch-Id": one, "Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"}
        await observer.request(f"ev.local.session.{one}.event", b'{"name":"n"}', timeout=10, headers=headers)
    acks = await waiting
    assert [[ack.position.sequence] for ack in acks] == await lasts(observer, ids)


async def test_a_server_that_is_killed_stores_all_or_none(own_nats: NatsServer) -> None:
    """Callers go on until each batch has an answer; what was acknowledged is there, and whole."""
    over, acknowledged, unknown = False, dict[str, list[Ack]](), 0
    async with open_publisher(own_nats, timeout=20) as publisher:

        async def caller(number: int) -> None:
            nonlocal unknown
            for turn in range(10_000):
                if over:
                    return
                name = f"{number}-{turn}"
                batch = expecting([f"a-{name}", f"b-{name}", f"c-{name}"])
                # One in three gives up early and never learns what became of its batch.
                try:
                    acks = await publisher.publish_atomically(batch, timeout=0.05 if number % 3 == 0 else 20)
                except BusUnavailable:
                    unknown += 1
                else:
                    acknowledged[name] = acks

        callers = [asyncio.create_task(caller(number)) for number in range(9)]
        for _ in range(3):
            before = len(acknowledged)
            await wait_until(lambda so_far=before: len(acknowledged) > so_far + 30, 60)
            own_nats.kill()
            lost = unknown
            await wait_until(lambda so_far=lost: unknown > so_far)
            own_nats.spawn()
            await wait_until(own_nats.is_ready)
        over = True
        await asyncio.gather(*callers)
    nc = await connect_bus(line_settings(own_nats), name="look")
    kept: dict[str, list[tuple[str, int]]] = {}
    for message in await stored(nc):
        letter, name = message.subject.split(".")[4].split("-", 1)
        kept.setdefault(name, []).append((letter, sequence(message)))
    await nc.close()
    assert unknown
    for name, found in kept.items():
        first = found[0][1]
        assert found == [("a", first), ("b", first + 1), ("c", first + 2)], name
    assert {name: [ack.position.sequence for ack in acks] for name, acks in acknowledged.items()} == {
        name: [at for _, at in found] for name, found in kept.items() if name in acknowledged
    }


async def test_a_hanging_server_delays_within_the_bound(own_nats: NatsServer) -> None:
    ids = new_ids(3)
    async with open_publisher(own_nats, timeout=0.5) as publisher:
        await publisher.publish(fact(new_ids(1)[0]))
        with stopped(own_nats), pytest.raises(BusUnavailable):
            await publisher.publish_atomically(expecting(ids, key="k"))
        # It was on its way: whether it is stored or not, the retry finds the same answer for all.
        acks = await wait_until(lambda: _try(publisher, expecting(ids, key="k")))
        assert acks is not None
        first = acks[0].position.sequence
        assert [ack.position.sequence for ack in acks] == [first, first + 1, first + 2]
        assert len({ack.duplicate for ack in acks}) == 1


async def _try(publisher: Publisher, batch: list[tuple[Fact, int]]) -> list[Ack] | None:
    try:
        return await publisher.publish_atomically(batch)
    except BusUnavailable:
        return None
