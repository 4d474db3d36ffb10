"""A measurement is repeated for what the kernel says of the processors, never for what it found."""

from collections.abc import Callable, Sequence

import pytest

from benchmarks.undisturbed import measure_turns, measure_undisturbed


def told(shares: Sequence[float]) -> Callable[[], tuple[float, float]]:
    """What the kernel counts around measurements during which others had these shares of ten seconds."""
    counts = [(0.0, 0.0)]
    for share in shares:
        theirs, whole = counts[-1]
        counts += [(theirs + 10 * share, whole + 10)] * 2
    numbers = iter(counts)
    return lambda: next(numbers)


@pytest.mark.parametrize(
    ("shares", "kept", "measured"),
    [
        ([0.01], 0, 1),
        ([0.3, 0.0], 1, 2),
        ([0.3, 0.1, 0.2], 1, 3),
        ([0.03, 0.04, 0.05], 0, 3),
    ],
)
async def test_the_least_disturbed_is_kept(shares: list[float], kept: int, measured: int) -> None:
    found: list[int] = []
    said: list[str] = []

    async def measure() -> int:
        found.append(len(found))
        return found[-1]

    assert await measure_undisturbed(measure, 3, said.append, told(shares)) == kept
    assert len(found) == measured
    assert len(said) == measured - 1


async def test_a_single_try_is_what_it_is() -> None:
    async def measure() -> str:
        return "slow"

    assert await measure_undisturbed(measure, 1, print, told([0.9])) == "slow"


async def test_turns_are_all_kept_in_their_order() -> None:
    found: list[int] = []

    async def measure() -> int:
        found.append(len(found))
        return found[-1]

    assert await measure_turns(measure, 3, 1, print) == [0, 1, 2]
