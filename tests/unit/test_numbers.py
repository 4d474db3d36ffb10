"""Numbers are kept or refused: an integer with all of its digits, any other as the nearest double."""

import sys
from fractions import Fraction
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.facts import parse_fact
from schemas.numbers import MAX_DIGITS, Measured, Number, NumberType, may_not_fit, misfit
from schemas.sessions.facts import SessionState
from schemas.validation import InvalidFact

_DIGITS = st.text("0123456789", min_size=1, max_size=400)
_TEXTS = st.builds(
    lambda sign, whole, part, letter, plus, power: (
        sign
        + (whole.lstrip("0") or "0")
        + (f".{part}" if part else "")
        + letter
        + (plus + str(power)) * bool(letter)
    ),
    st.sampled_from(["", "-"]),
    _DIGITS,
    st.one_of(st.just(""), _DIGITS),
    st.sampled_from(["", "e", "E"]),
    st.sampled_from(["", "+", "-", "-0", "+000"]),
    st.integers(0, 400),
)
_OVERFLOW = Fraction(
    2**1024 - 2**970
)  # from here on a number is nearer to 2**1024 than to the largest double
_UNDERFLOW = Fraction(1, 2**1075)  # up to here it is nearer to zero than to the smallest


def fits(text: str) -> bool:
    """Whether a number of JSON can be kept: exactly, or as the nearest double."""
    if text.lstrip("-").isdigit():
        return len(text.lstrip("-")) <= MAX_DIGITS
    exact = abs(Fraction(text))
    return exact == 0 or _UNDERFLOW < exact < _OVERFLOW


@given(_TEXTS)
@example("1.7976931348623158e308")
@example("1.7976931348623159e308")
@example("2.4703282292062327e-324")
@example("2.4703282292062328e-324")
@example("0." + "0" * 323 + "1")
@example("0." + "0" * 330 + "1")
@example("-0.0")
@example("0e-999")
@example("9" * 400)
def test_a_number_is_kept_or_refused(text: str) -> None:
    body = b'{"a":[%b]}' % text.encode()
    if not fits(text):
        with pytest.raises(InvalidFact) as caught:
            parse_fact("session", "state", body)
        assert caught.value.reason == "invalid_number"
        assert text[:20] in caught.value.details
        return
    parsed = parse_fact("session", "state", body)
    assert isinstance(parsed, SessionState)
    (kept,) = parsed.state["a"]
    expected = int(text) if text.lstrip("-").isdigit() else float(text)
    assert repr(kept) == repr(expected)


@pytest.mark.parametrize("digits", [MAX_DIGITS + 1, 100_000])
def test_an_integer_that_cannot_be_read_is_refused_by_its_length(digits: int) -> None:
    with pytest.raises(InvalidFact, match=f"more than {MAX_DIGITS} digits"):
        parse_fact("session", "state", b'{"a":%b}' % (b"7" * digits))


@pytest.mark.parametrize(
    "body",
    [b'{"a":"7e345"}', b'{"id":"0f3e4123-9e-4000"}', b'{"a":1e99,"b":1e-99}', b'{"a":"%b"}' % (b"f0" * 300)],
)
def test_texts_and_near_exponents_are_no_reason_to_look_closer(body: bytes) -> None:
    assert not may_not_fit(body)
    assert misfit(body) is None


@pytest.mark.parametrize("kind", [Number, Measured])
@pytest.mark.parametrize(
    "text", ["1", "1.0", "-0.0", "9007199254740993", "1e23", "1.5", str(int(_OVERFLOW) - 1)]
)
def test_a_field_takes_a_number_as_it_is(kind: Any, text: str) -> None:
    found = TypeAdapter(kind).validate_json(text)
    assert repr(found) == repr(float(text) if set(text) & set(".e") else int(text))


@pytest.mark.parametrize("text", ['"1"', "true", "null", "[1]", "{}", "NaN", "Infinity"])
def test_nothing_else_is_a_number(text: str) -> None:
    with pytest.raises(ValidationError, match="number"):
        TypeAdapter(Number).validate_json(text)


def test_what_is_measured_is_within_the_range_of_doubles() -> None:
    measured = TypeAdapter(Measured)
    for number in (int(_OVERFLOW), -int(_OVERFLOW), 10**4000):
        assert TypeAdapter(Number).validate_json(str(number)) == number
        with pytest.raises(ValidationError, match="within the range of a double"):
            measured.validate_json(str(number))
    assert float(measured.validate_json(str(int(_OVERFLOW) - 1))) == sys.float_info.max


def test_a_least_number_within_the_range_of_doubles() -> None:
    positive = TypeAdapter(Annotated[float, NumberType(0, as_double=True)])
    assert positive.json_schema() == {"type": "number", "minimum": 0}
    for text in ("-1", "-0.5", str(int(_OVERFLOW))):
        with pytest.raises(ValidationError, match="a number of at least 0 within the range of a double"):
            positive.validate_json(text)


@pytest.mark.parametrize(
    ("text", "good"), [("0", True), ("10", True), ("10.5", False), ("-1", False), ("-0.0", True)]
)
def test_bounds(text: str, good: bool) -> None:
    bounded = TypeAdapter(Annotated[float, NumberType(0, 10)])
    if good:
        assert repr(bounded.validate_json(text)) == text
    else:
        with pytest.raises(ValidationError, match="a number from 0 to 10 is needed"):
            bounded.validate_json(text)
