"""The buffer keeps order and its bounds, whatever is put in and taken out."""

from hypothesis import given, settings
from hypothesis import strategies as st

from foldline_client.buffer import Buffer
from foldline_client.items import Item, SessionRef

FACTS = ("created", "state", "event", "metric", "heartbeat", "ended")


def item(session: str, fact: str, number: int = 0, size: int = 10) -> Item:
    return Item(SessionRef(session), fact, b"x" * size, str(number))


puts = st.tuples(st.sampled_from("ab"), st.sampled_from(FACTS), st.integers(0, 2_000))
steps = st.lists(puts | st.integers(1, 6), max_size=80)


@settings(deadline=None)
@given(steps, st.integers(1, 20), st.integers(300, 9_000))
def test_order_and_bounds(script: list[tuple[str, str, int] | int], max_items: int, max_bytes: int) -> None:
    buffer = Buffer(max_items, max_bytes)
    accepted: list[str] = []
    taken: list[str] = []
    beats: dict[str, str] = {}
    beaten: dict[str, str] = {}
    for number, step in enumerate(script):
        if isinstance(step, int):
            batch = buffer.take(step, 4_000)
            taken += [one.key for one in batch if one.fact != "heartbeat"]
            beaten |= {one.ref.id: one.key for one in batch if one.fact == "heartbeat"}
            buffer.settle(batch)
            continue
        one = item(step[0], step[1], number, step[2])
        kept = buffer.put(one)
        if one.fact == "heartbeat":
            assert kept
            beats[step[0]] = one.key
        elif kept:
            accepted.append(one.key)
        if one.fact in {"event", "metric", "state"} and kept:
            assert buffer.size <= max_bytes
            assert buffer.unsettled <= max_items + 2  # and one waiting heartbeat for each of two sessions
        assert kept or one.fact in {"event", "metric", "state"}
    while batch := buffer.take(6, 4_000):
        taken += [one.key for one in batch if one.fact != "heartbeat"]
        beaten |= {one.ref.id: one.key for one in batch if one.fact == "heartbeat"}
        buffer.settle(batch)
    assert taken == accepted
    assert beaten == beats
    assert (buffer.unsettled, buffer.size, buffer.waiting) == (0, 0, False)


def test_the_last_tenth_is_for_states() -> None:
    buffer = Buffer(10, 1 << 20)
    assert [buffer.put(item("a", "event")) for _ in range(10)] == [True] * 9 + [False]
    assert [buffer.put(item("a", "state")) for _ in range(2)] == [True, False]
    assert buffer.put(item("b", "created"))
    assert buffer.put(item("a", "ended"))


def test_heartbeats_wait_for_their_session_to_be_known() -> None:
    buffer = Buffer(100, 1 << 20)
    for _ in range(3):
        buffer.put(item("other", "event"))
    buffer.put(item("a", "created"))
    buffer.put(item("a", "heartbeat"))
    assert [one.fact for one in buffer.take(2, 1 << 20)] == ["event"] * 2
    assert [one.fact for one in buffer.take(2, 1 << 20)] == ["event", "created", "heartbeat"]


def test_watchers_are_called_when_all_before_them_is_answered() -> None:
    buffer = Buffer(100, 1 << 20)
    calls: list[str] = []
    buffer.when_settled(lambda: calls.append("empty"))
    buffer.put(item("a", "event"))
    buffer.put(item("a", "event"))
    buffer.when_settled(lambda: calls.append("two"))
    buffer.put(item("a", "event"))
    buffer.settle(buffer.take(1, 1 << 20))
    assert calls == ["empty"]
    buffer.settle(buffer.take(1, 1 << 20))
    assert calls == ["empty", "two"]
