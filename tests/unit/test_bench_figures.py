"""What a benchmark's figure is judged by, what it cost, and how it is shown."""

import pytest

from benchmarks.figures import Figures
from benchmarks.turn import Turn


def once(value: float) -> list[Turn]:
    """A single turn without a cost."""
    return [Turn(value)]


def test_a_share_is_judged_where_there_is_one() -> None:
    figures = Figures()
    figures.add("limit", once(1_000), "events/s")
    assert figures.add("half", once(500), "events/s", of="limit", least=0.5).good is True
    assert figures.add("less", once(499), "events/s", of="limit", least=0.5).good is False


def test_a_value_is_judged_by_itself_without_a_share() -> None:
    figures = Figures()
    assert figures.add("quick", once(10.0), "ms", most=10).good is True
    assert figures.add("slow", once(10.1), "ms", most=10).good is False
    assert figures.add("many", once(3), "items", least=4).good is False


def test_nothing_asked_nothing_judged() -> None:
    assert Figures().add("seen", once(1), "ms").good is None


def test_the_share_of_what_was_not_measured_is_open() -> None:
    figure = Figures().add("alone", once(7), "events/s", of="limit")
    assert figure.share is None


@pytest.mark.parametrize(("least", "told"), [(0.5, "| ≥ 0.5 | yes |"), (0.6, "| ≥ 0.6 | **no** |")])
def test_the_table_says_what_is_below_its_floor(least: float, told: str) -> None:
    paces = iter((10.0, 8.0))
    figures = Figures(lambda: next(paces))
    figures.add("limit", once(1_000), "events/s")
    figures.add("half", [Turn(500, 2.5, 40_000)], "events/s", of="limit", least=least, note="of two")
    first, second = figures.markdown().splitlines()[-2:]
    assert first == "| limit | 1,000 events/s |  |  |  |  |  | 100% |  |"
    cost = "2.50 | 0.0625 s/1,000 events"
    assert second == f"| half | 500 events/s | 0.50 of limit {told} {cost} | 80% | of two |", (
        "a slower processor shows"
    )


def test_of_turns_the_median_is_judged_and_all_are_told() -> None:
    turns = [Turn(value) for value in (3.0, 90.0, 2.0)]
    figure = Figures().add("seen", turns, "ms", most=3, note="p50 1.0 ms")
    assert (figure.value, figure.good) == (3.0, True)
    assert figure.note == "p50 1.0 ms; turns: 3.00, 90.00, 2.00"
    assert Figures().add("once", once(3.0), "ms").note == ""


def test_a_cost_is_the_median_of_the_turns_and_not_of_their_sums() -> None:
    turns = [Turn(900, 2.0, 1_000), Turn(100, 9.0, 10_000), Turn(500, 3.0, 2_000)]
    figure = Figures().add("asked", turns, "requests/s", work="requests")
    assert (figure.value, figure.cpu_seconds, figure.cost) == (500, 3.0, 1.5)
    assert figure.cost_unit == "s/1,000 requests"


@pytest.mark.parametrize("turn", [Turn(80.0), Turn(80.0, 2.0), Turn(80.0, 2.0, 0)])
def test_without_work_there_is_no_cost(turn: Turn) -> None:
    assert Figures().add("memory", [turn], "MB", most=80).cost is None


def test_machines_get_the_same() -> None:
    figures = Figures()
    figures.add("limit", once(1_000), "events/s")
    figures.add("half", [Turn(600, 2.0, 1_000), Turn(400, 4.0, 1_000)], "events/s", of="limit", least=0.5)
    half = figures.document()[1]
    assert (half["value"], half["share"], half["of"], half["good"]) == (500, 0.5, "limit", True)
    assert (half["cpu_seconds"], half["cost"], half["cost_unit"]) == (3.0, 3.0, "s/1,000 events")
    assert half["turns"] == [
        {"value": 600, "cpu_seconds": 2.0, "work": 1_000, "cost": 2.0},
        {"value": 400, "cpu_seconds": 4.0, "work": 1_000, "cost": 4.0},
    ]
