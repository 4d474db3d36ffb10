"""Linger policy: when a batch waits for more events."""

from consumers.engine.linger import Linger


def after(*batches: tuple[float, int], linger: float = 0.02) -> float:
    policy = Linger(linger)
    for now, events in batches:
        policy.note_batch(events, now)
    return policy.seconds


def test_nothing_waits_before_anything_came() -> None:
    assert Linger(0.25).seconds == 0


def test_single_events_on_a_quiet_line_do_not_wait() -> None:
    assert after(*((second, 1) for second in range(1, 20))) == 0


def test_events_that_keep_coming_wait_for_each_other() -> None:
    assert after(*((100 + number * 0.005, 5) for number in range(20))) == 0.02


def test_the_longer_it_may_wait_the_fewer_are_enough() -> None:
    slow = [(100 + number * 0.01, 1) for number in range(20)]  # a hundred a second
    assert after(*slow, linger=0.02) == 0
    assert after(*slow, linger=0.25) == 0.25


def test_quiet_again() -> None:
    busy = [(100 + number * 0.005, 5) for number in range(20)]
    assert after(*busy, *((200 + second, 1) for second in range(5))) == 0
