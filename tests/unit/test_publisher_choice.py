"""Which way a group of facts goes to the line."""

from producers.choice import FEW, MANY, Choice


def measured(*, batch_s: float, single_s: float) -> Choice:
    """After some groups of each kind."""
    choice = Choice()
    for _ in range(20):
        choice.took(32, batch_s, batch=True)
        choice.took(32, 32 * single_s, batch=False)
    return choice


def test_few_and_many_are_never_in_question() -> None:
    for choice in (measured(batch_s=1e-6, single_s=1), measured(batch_s=1, single_s=1e-6)):
        assert not any(choice.batch(facts) for facts in range(1, FEW))
        assert all(choice.batch(facts) for facts in range(MANY + 1, 2 * MANY))


def test_both_ways_are_measured_first() -> None:
    choice = Choice()
    assert choice.batch(32)
    choice.took(32, 5e-3, batch=True)
    assert not choice.batch(32)
    choice.took(32, 32 * 1e-4, batch=False)
    assert not choice.batch(32)
    assert choice.batch(64)


def test_a_busy_process_that_hears_late_changes_little() -> None:
    choice = measured(batch_s=8e-3, single_s=1e-4)
    for _ in range(10):
        choice.took(32, 0.02, batch=False)
    assert not choice.batch(32)


def test_a_server_that_became_slow_is_noticed() -> None:
    choice = measured(batch_s=4e-3, single_s=1e-4)
    assert not choice.batch(32)
    for _ in range(100):
        choice.took(32, 32 * 1e-3, batch=False)
    assert choice.batch(32)


def test_in_between_whatever_took_less() -> None:
    choice = measured(batch_s=2e-3, single_s=1e-4)
    assert [choice.batch(facts) for facts in (8, 19, 21, 100)] == [False, False, True, True]


def test_what_changes_is_noticed() -> None:
    """The other way is tried now and then, so a disk that became slow or fast changes the choice."""
    choice = measured(batch_s=0.03, single_s=1e-4)
    ways = [choice.batch(64) for _ in range(5_000)]
    assert 0 < ways.count(True) < 50
    for _ in range(12):
        choice.took(64, 1e-3, batch=True)
    assert [choice.batch(64) for _ in range(100)].count(True) >= 99


def test_what_is_dearer_by_far_is_hardly_ever_tried() -> None:
    slow_singles, slow_batches = measured(batch_s=2e-3, single_s=1e-2), measured(batch_s=1, single_s=1e-4)
    assert all(slow_singles.batch(64) for _ in range(2_000))
    assert not any(slow_batches.batch(64) for _ in range(2_000))
    ways = [slow_batches.batch(64) for _ in range(200_000)]
    assert 1 <= ways.count(True) <= 8, "but it is: what was slow once is not avoided for ever"


def test_the_extremes_measure_nothing() -> None:
    choice = measured(batch_s=2e-3, single_s=1e-4)
    choice.took(1, 10, batch=False)
    choice.took(1_000, 10, batch=True)
    assert choice.batch(50)
