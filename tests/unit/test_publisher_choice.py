"""Which way a group of facts goes to the line."""

from producers.publishing.batching_policy import FEW, MANY, Choice


def measured(*, batch_s: float, single_s: float, choice: Choice | None = None) -> Choice:
    """After some groups of each kind."""
    choice = choice or Choice()
    for way in (True, False):
        for _ in range(40):
            choice.took(32, batch_s if way else 32 * single_s, batch=way)
    return choice


def test_few_and_many_are_never_in_question() -> None:
    for choice in (measured(batch_s=1e-6, single_s=1), measured(batch_s=1, single_s=1e-6)):
        assert not any(choice.batch(facts) for facts in range(1, FEW))
        assert all(choice.batch(facts) for facts in range(MANY + 1, 2 * MANY))


def test_a_young_one_learns_soon_whatever_the_disk() -> None:
    for batch_s, single_s, way in ((1e-3, 3e-4, True), (20e-3, 1e-4, False)):
        choice = Choice()
        ways = []
        for _ in range(200):
            ways.append(choice.batch(64))
            choice.took(64, batch_s if ways[-1] else 64 * single_s, batch=ways[-1])
        assert ways[100:].count(way) >= 90


def test_an_occasional_group_among_small_ones_is_no_batch_for_ever() -> None:
    choice = Choice()
    for _ in range(100):
        for _ in range(10):
            choice.took(2, 2 * 1e-4, batch=False)
        way = choice.batch(12)
        choice.took(12, 8e-3 if way else 12 * 1e-4, batch=way)
    assert [choice.batch(12) for _ in range(5)].count(False) >= 4


def test_in_between_whatever_took_less() -> None:
    choice = measured(batch_s=2e-3, single_s=1e-4)
    assert [choice.batch(facts) for facts in (8, 19, 21, 100)] == [False, False, True, True]


def test_groups_heard_of_together_count_as_what_they_took_together() -> None:
    """A busy process hears late of one group, and then of the next at once."""
    choice = measured(batch_s=2e-3, single_s=2e-4)
    for _ in range(100):
        choice.took(32, 32 * 4e-4, batch=False)
        choice.took(32, 0.0, batch=False)
    assert [choice.batch(facts) for facts in (8, 9, 11, 12)] == [False, False, True, True]


def test_one_late_answer_changes_little() -> None:
    choice = measured(batch_s=4e-3, single_s=1e-4)
    choice.took(32, 0.01, batch=False)
    assert not choice.batch(32)


def test_a_group_after_one_of_the_other_kind_is_not_counted() -> None:
    """It has a part of the other's time."""
    choice = measured(batch_s=4e-3, single_s=1e-4)
    for _ in range(100):
        choice.took(32, 1.0, batch=True)
        choice.took(32, 0.0, batch=False)
    assert [choice.batch(facts) for facts in (39, 41)] == [False, True]


def test_what_changes_is_noticed() -> None:
    """The other way is tried now and then, so a disk that became slow or fast changes the choice."""
    choice = measured(batch_s=0.03, single_s=1e-4)
    ways = [choice.batch(64) for _ in range(5_000)]
    assert 0 < ways.count(True) < 100
    for _ in range(40):
        choice.took(64, 1e-3, batch=True)
    assert [choice.batch(64) for _ in range(100)].count(True) >= 90


def test_what_is_dearer_by_far_is_hardly_ever_tried() -> None:
    slow_singles, slow_batches = measured(batch_s=2e-3, single_s=1e-2), measured(batch_s=1, single_s=1e-4)
    assert all(slow_singles.batch(64) for _ in range(5_000))
    assert not any(slow_batches.batch(64) for _ in range(2_000))
    ways = [slow_batches.batch(64) for _ in range(200_000)]
    assert 1 <= ways.count(True) <= 40, "but it is: what was slow once is not avoided for ever"


def test_large_batches_measure_nothing() -> None:
    choice = measured(batch_s=2e-3, single_s=1e-4)
    for _ in range(20):
        choice.took(1_000, 10, batch=True)
    assert choice.batch(50)
