"""The backlog: which facts make the next batch."""

from producers.publishing.backlog import Backlog, Call, PendingFact
from schemas.facts import Fact
from schemas.subjects import Subject


def pending(session: str, name: str, *, size: int = 1, expected_last: int | None = None) -> PendingFact:
    fact = Fact(Subject("local", "session", session, "event"), b"{}", name, {})
    return PendingFact(fact, Call(1, 0.0), "", size, expected_last)


def taken(backlog: Backlog, *, messages: int = 10, size: int = 100) -> list[str]:
    return [item.fact.message_id for item in backlog.take(messages=messages, size=size)]


async def test_takes_all_that_wait_in_the_order_of_their_entity() -> None:
    backlog = Backlog()
    for session, name in [("a", "1"), ("b", "2"), ("a", "3")]:
        backlog.add(pending(session, name))
    assert taken(backlog) == ["1", "3", "2"]
    assert taken(backlog) == []


async def test_busy_entity_waits_for_its_batch() -> None:
    backlog = Backlog()
    backlog.add(pending("a", "1"))
    batch = backlog.take(messages=10, size=100)
    backlog.add(pending("a", "2"))
    backlog.add(pending("b", "3"))
    assert taken(backlog) == ["3"]
    backlog.release(batch)
    assert taken(backlog) == ["2"]


async def test_keeps_within_both_bounds_but_takes_one_at_least() -> None:
    backlog = Backlog()
    backlog.add(pending("a", "huge", size=500))
    backlog.add(pending("b", "1", size=60))
    backlog.add(pending("c", "2", size=60))
    assert taken(backlog) == ["huge"]
    assert taken(backlog) == ["1"]
    assert taken(backlog) == ["2"]
    for number in range(25):
        backlog.add(pending("d", str(number), size=0))
    batch = backlog.take(messages=10, size=100)
    assert [item.fact.message_id for item in batch] == [str(number) for number in range(10)]


async def test_entity_that_fills_batches_does_not_starve_others() -> None:
    backlog = Backlog()
    for number in range(20):
        backlog.add(pending("hot", f"hot{number}"))
    backlog.add(pending("other", "other"))
    backlog.release(backlog.take(messages=10, size=100))
    assert "other" in taken(backlog)


async def test_expecting_fact_is_its_entitys_only_one_in_a_batch() -> None:
    backlog = Backlog()
    for name, expected in [("1", None), ("2", 1), ("3", None)]:
        backlog.add(pending("a", name, expected_last=expected))
    backlog.add(pending("b", "b"))
    seen = []
    while batch := backlog.take(messages=10, size=100):
        seen.append([item.fact.message_id for item in batch])
        backlog.release(batch)
    assert seen == [["1", "b"], ["2"], ["3"]]


async def test_same_message_id_is_not_twice_in_a_batch() -> None:
    backlog = Backlog()
    for name in ["1", "k", "k", "2"]:
        backlog.add(pending("a", name))
    backlog.add(pending("b", "b"))
    seen = []
    while batch := backlog.take(messages=10, size=100):
        seen.append([item.fact.message_id for item in batch])
        backlog.release(batch)
    assert seen == [["1", "k", "b"], ["k"], ["2"]]


async def test_removed_fact_is_not_taken() -> None:
    backlog = Backlog()
    items = [pending("a", str(number)) for number in range(3)]
    for item in items:
        backlog.add(item)
    backlog.remove(items[1])
    backlog.remove(items[1])
    assert taken(backlog) == ["0", "2"]
