"""Bodies are what the sessions reference documents; wrong arguments are told at the call."""

import json
import math
import numbers
from collections.abc import Callable
from typing import Any

import pytest

from foldline_client.bodies import event_body, metric_body, state_body
from foldline_client.job_events import finite

NOW = "2026-01-01T00:00:00.000000Z"


def test_an_event_leaves_out_what_is_not_said() -> None:
    assert json.loads(event_body("e", time=NOW)) == {"timestamp": NOW, "name": "e"}


@pytest.mark.parametrize(("given", "sent"), [("INFO", "info"), ("warn", "warning"), ("Fatal", "critical")])
def test_levels_are_the_documented_words(given: str, sent: str) -> None:
    assert json.loads(event_body("e", time=NOW, level=given))["level"] == sent


def test_a_single_label_is_a_list_of_one() -> None:
    assert json.loads(event_body("e", time=NOW, labels="only"))["labels"] == ["only"]


def test_only_what_looks_like_the_wrapper_is_wrapped() -> None:
    assert json.loads(state_body({"state": {"a": 1}})) == {"state": {"state": {"a": 1}}}
    assert json.loads(state_body({"state": "on"})) == {"state": "on"}
    assert json.loads(state_body({"state": {"a": 1}, "b": None})) == {"state": {"a": 1}, "b": None}


def test_metrics_keep_whole_numbers_whole() -> None:
    body = metric_body("m", 3, time=NOW, tags={"host": "a"})
    assert body is not None
    assert json.loads(body) == {
        "timestamp": NOW,
        "name": "m",
        "type": "gauge",
        "value": 3,
        "tags": {"host": "a"},
    }


class NumPyLike:
    """An integer of another library, such as NumPy's."""

    def __int__(self) -> int:
        return 2**53 + 1

    def __float__(self) -> float:
        return float(2**53)


numbers.Integral.register(NumPyLike)


@pytest.mark.parametrize(
    ("value", "text"), [(2**70, str(2**70)), (3.0, "3.0"), (-0.0, "-0.0"), (NumPyLike(), "9007199254740993")]
)
def test_a_metric_and_a_number_of_a_job_keep_their_kind(value: Any, text: str) -> None:
    body = metric_body("m", value, time=NOW)
    assert body is not None
    assert f'"value":{text}'.encode() in body
    assert repr(finite({"n": value})["n"]) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_a_metric_without_a_finite_value_has_no_body(value: float) -> None:
    assert metric_body("m", value, time=NOW) is None


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: event_body("", time=NOW), ValueError, "name must not be empty"),
        (lambda: event_body(7, time=NOW), TypeError, "name must be a string, not int"),  # type: ignore[arg-type]
        (lambda: event_body("e", time=NOW, level="loud"), ValueError, "level 'loud'"),
        (lambda: event_body("e", time=NOW, data=[1]), TypeError, "data must be a dict"),  # type: ignore[arg-type]
        (lambda: event_body("e", time=NOW, source_line=1.5), TypeError, "source_line"),  # type: ignore[arg-type]
        (lambda: metric_body("m", 1, time=NOW, metric_type="sum"), ValueError, "metric_type 'sum'"),
        (lambda: state_body([1]), TypeError, "a state must be a dict, not list"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_raise_at_the_call(
    call: Callable[[], bytes], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        call()
