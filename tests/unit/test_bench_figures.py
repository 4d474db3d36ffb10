"""What a benchmark's figure is judged by, and how it is shown."""

import pytest

from benchmarks.figures import Figures


def test_a_share_is_judged_where_there_is_one() -> None:
    figures = Figures()
    figures.add("limit", 1_000, "events/s")
    assert figures.add("half", 500, "events/s", of="limit", least=0.5).good is True
    assert figures.add("less", 499, "events/s", of="limit", least=0.5).good is False


def test_a_value_is_judged_by_itself_without_a_share() -> None:
    figures = Figures()
    assert figures.add("quick", 10.0, "ms", most=10).good is True
    assert figures.add("slow", 10.1, "ms", most=10).good is False
    assert figures.add("many", 3, "items", least=4).good is False


def test_nothing_asked_nothing_judged() -> None:
    assert Figures().add("seen", 1, "ms").good is None


def test_the_share_of_what_was_not_measured_is_open() -> None:
    figure = Figures().add("alone", 7, "events/s", of="limit")
    assert figure.share is None


@pytest.mark.parametrize(("least", "told"), [(0.5, "| ≥ 0.5 | yes |"), (0.6, "| ≥ 0.6 | **no** |")])
def test_the_table_says_what_is_below_its_floor(least: float, told: str) -> None:
    paces = iter((10.0, 8.0))
    figures = Figures(lambda: next(paces))
    figures.add("limit", 1_000, "events/s")
    figures.add("half", 500, "events/s", of="limit", least=least, note="of two")
    first, second = figures.markdown().splitlines()[-2:]
    assert first == "| limit | 1,000 events/s |  |  |  | 100% |  |"
    assert second == f"| half | 500 events/s | 0.50 of limit {told} 80% | of two |", (
        "a slower processor shows"
    )


def test_of_turns_the_median_is_judged_and_all_are_told() -> None:
    figure = Figures().add_turns("seen", [3.0, 90.0, 2.0], "ms", most=3, note="p50 1.0 ms")
    assert (figure.value, figure.good) == (3.0, True)
    assert figure.note == "p50 1.0 ms; turns: 3.00, 90.00, 2.00"
    assert Figures().add_turns("once", [3.0], "ms").note == ""


def test_machines_get_the_same() -> None:
    figures = Figures()
    figures.add("limit", 1_000, "events/s")
    figures.add("half", 500, "events/s", of="limit", least=0.5)
    half = figures.document()[1]
    assert (half["value"], half["share"], half["of"], half["good"]) == (500, 0.5, "limit", True)
