"""Texts of indexed fields: the shortcut for plain bodies never decides otherwise than a look at all."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.reports import _valid
from schemas.facts import parse_fact
from schemas.validation import InvalidFact
from tests.support.jobs import job_event

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
    st.integers(500, 520).map(lambda size: "a" * size),
    st.integers(250, 260).map(lambda size: "é" * size),
)


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
@example("\u2028", True)
@example("a\nb", True)
@example("a" * 511 + "é", False)
def test_bytes_count_and_ids_are_printable(text: str, ascii_only: bool) -> None:
    fits = len(text.encode()) <= 512
    job = job_event("J1", "started")
    named = {**job, "app": {**job["app"], "version": text}}
    assert is_accepted("job", "started", named, ascii_only=ascii_only) == fits
    known = {**job, "idempotency_key": text}
    assert is_accepted("job", "started", known, ascii_only=ascii_only) == (fits and text.isprintable())
    part = {**job, "entity": {"type": "subjob", "id": "s", "parent_id": text}}
    assert is_accepted("job", "started", part, ascii_only=ascii_only) == (fits and text.isprintable())
    event = {"name": "e", "category": text}
    assert is_accepted("session", "event", event, ascii_only=ascii_only) == fits


@pytest.mark.parametrize("name", ["a" * 513, "é" * 257])
def test_a_daemon_refuses_at_once_what_it_would_send_later(name: str) -> None:
    with pytest.raises(InvalidFact, match="name: at most 512 bytes"):
        _valid(Increment, {"name": name, "delta": 1})
