"""Texts of indexed fields: the shortcut for plain bodies never decides otherwise than a look at all."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foldline_client.job_events import entity_id
from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.reports import _valid
from schemas.facts import parse_fact
from schemas.texts import has_control
from schemas.validation import InvalidFact
from tests.support.jobs import job_event

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
    st.integers(500, 520).map(lambda size: "a" * size),
    st.integers(250, 260).map(lambda size: "é" * size),
)


CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


def is_accepted(entity: str, fact: str, body: dict[str, Any], *, ascii_only: bool) -> bool:
    try:
        parse_fact(entity, fact, json.dumps(body, ensure_ascii=ascii_only).encode())
    except InvalidFact as problem:
        if problem.reason != "invalid_field":
            raise
        return False
    return True


@given(TEXTS, st.booleans())
@example("\x7f", False)
@example("\x7f", True)
@example("\x80", False)
@example("\xa0", False)
@example("\u3000", True)
@example("\u202e", False)
@example("\U0001fae8", False)
@example("\U000e0001\ue000\uffff", False)
@example("\u2028", True)
@example("a\nb", True)
@example("a" * 511 + "é", False)
def test_bytes_count_and_ids_have_no_control_characters(text: str, ascii_only: bool) -> None:
    fits = len(text.encode()) <= 512
    is_id = fits and CONTROLS.isdisjoint(text)
    job = job_event("J1", "started")
    named = {**job, "app": {**job["app"], "version": text}}
    assert is_accepted("job", "started", named, ascii_only=ascii_only) == fits
    known = {**job, "idempotency_key": text}
    assert is_accepted("job", "started", known, ascii_only=ascii_only) == is_id
    part = {**job, "entity": {"type": "subjob", "id": "s", "parent_id": text}}
    assert is_accepted("job", "started", part, ascii_only=ascii_only) == is_id
    event = {"name": "e", "category": text}
    assert is_accepted("session", "event", event, ascii_only=ascii_only) == fits


def test_the_rule_of_control_characters_is_the_same_on_every_python() -> None:
    """Over all of Unicode: `str.isprintable` follows the tables of the interpreter."""
    every = (chr(code) for code in range(0x110000))
    assert {char for char in every if has_control(char)} == CONTROLS
    assert all(not is_client_id(char) for char in CONTROLS)
    assert all(map(is_client_id, "\xa0\u3000\u202e\U0001fae8\ue000\uffff"))


def is_client_id(text: str) -> bool:
    try:
        return entity_id("id", text) == text
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["a" * 513, "é" * 257])
def test_a_daemon_refuses_at_once_what_it_would_send_later(name: str) -> None:
    with pytest.raises(InvalidFact, match="name: at most 512 bytes"):
        _valid(Increment, {"name": name, "delta": 1})
