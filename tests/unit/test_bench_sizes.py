"""How often everything is measured."""

from benchmarks.sizes import FULL, QUICK


def test_turns_that_are_asked_for_are_those_of_long_measurements_too() -> None:
    sizes = QUICK.with_turns(5)
    assert (sizes.turns, sizes.long_turns) == (5, 5)
    assert (sizes.published, sizes.http_s, sizes.tries) == (QUICK.published, QUICK.http_s, QUICK.tries)


def test_a_whole_run_measures_what_takes_long_once() -> None:
    assert (FULL.turns, FULL.long_turns) == (3, 1)
