"""The batching policy: whether a group of facts goes as one batch or as single publishes."""

from producers.publishing.batching_policy import FEW, MANY, BatchingPolicy


def measured(*, batch_s: float, single_s: float, policy: BatchingPolicy | None = None) -> BatchingPolicy:
    """Return a policy that has measured 40 groups of each kind."""
    policy = policy or BatchingPolicy()
    for way in (True, False):
        for _ in range(40):
            policy.measured(32, batch_s if way else 32 * single_s, batch=way)
    return policy


def test_few_and_many_are_never_in_question() -> None:
    for policy in (measured(batch_s=1e-6, single_s=1), measured(batch_s=1, single_s=1e-6)):
        assert not any(policy.as_batch(facts) for facts in range(1, FEW))
        assert all(policy.as_batch(facts) for facts in range(MANY + 1, 2 * MANY))


def test_a_young_one_learns_soon_whatever_the_disk() -> None:
    for batch_s, single_s, way in ((1e-3, 3e-4, True), (20e-3, 1e-4, False)):
        policy = BatchingPolicy()
        ways = []
        for _ in range(200):
            ways.append(policy.as_batch(64))
            policy.measured(64, batch_s if ways[-1] else 64 * single_s, batch=ways[-1])
        assert ways[100:].count(way) >= 90


def test_an_occasional_group_among_small_ones_is_no_batch_for_ever() -> None:
    policy = BatchingPolicy()
    for _ in range(100):
        for _ in range(10):
            policy.measured(2, 2 * 1e-4, batch=False)
        way = policy.as_batch(12)
        policy.measured(12, 8e-3 if way else 12 * 1e-4, batch=way)
    assert [policy.as_batch(12) for _ in range(5)].count(False) >= 4


def test_in_between_whatever_took_less() -> None:
    policy = measured(batch_s=2e-3, single_s=1e-4)
    assert [policy.as_batch(facts) for facts in (8, 19, 21, 100)] == [False, False, True, True]


def test_groups_heard_of_together_count_as_what_they_took_together() -> None:
    """A busy process hears late of one group, and then of the next at once."""
    policy = measured(batch_s=2e-3, single_s=2e-4)
    for _ in range(100):
        policy.measured(32, 32 * 4e-4, batch=False)
        policy.measured(32, 0.0, batch=False)
    assert [policy.as_batch(facts) for facts in (8, 9, 11, 12)] == [False, False, True, True]


def test_one_late_answer_changes_little() -> None:
    policy = measured(batch_s=4e-3, single_s=1e-4)
    policy.measured(32, 0.01, batch=False)
    assert not policy.as_batch(32)


def test_a_group_after_one_of_the_other_kind_is_not_counted() -> None:
    """Its measured time includes a part of the other group's."""
    policy = measured(batch_s=4e-3, single_s=1e-4)
    for _ in range(100):
        policy.measured(32, 1.0, batch=True)
        policy.measured(32, 0.0, batch=False)
    assert [policy.as_batch(facts) for facts in (39, 41)] == [False, True]


def test_what_changes_is_noticed() -> None:
    """The other way is tried now and then, so a disk that became slow or fast changes the answer."""
    policy = measured(batch_s=0.03, single_s=1e-4)
    ways = [policy.as_batch(64) for _ in range(5_000)]
    assert 0 < ways.count(True) < 100
    for _ in range(40):
        policy.measured(64, 1e-3, batch=True)
    assert [policy.as_batch(64) for _ in range(100)].count(True) >= 90


def test_what_is_dearer_by_far_is_hardly_ever_tried() -> None:
    slow_singles, slow_batches = measured(batch_s=2e-3, single_s=1e-2), measured(batch_s=1, single_s=1e-4)
    assert all(slow_singles.as_batch(64) for _ in range(5_000))
    assert not any(slow_batches.as_batch(64) for _ in range(2_000))
    ways = [slow_batches.as_batch(64) for _ in range(200_000)]
    assert 1 <= ways.count(True) <= 40, "but it is: what was slow once is not avoided for ever"


def test_large_batches_measure_nothing() -> None:
    policy = measured(batch_s=2e-3, single_s=1e-4)
    for _ in range(20):
        policy.measured(1_000, 10, batch=True)
    assert policy.as_batch(50)
