"""Subjects as published and as stored."""

import pytest

from schemas.stored_subjects import entity_filter, stored_form
from schemas.subjects import Subject, is_token, partition_of, published_form
from schemas.validation import InvalidFact


def test_a_published_subject_is_read_and_written() -> None:
    subject = Subject.parse("ev.fab1.session.S-1_x.state")
    assert subject == Subject("fab1", "session", "S-1_x", "state")
    assert str(subject) == "ev.fab1.session.S-1_x.state"


def test_the_stored_form_carries_the_partition() -> None:
    subject = Subject("local", "session", "S1", "state")
    part = partition_of("S1", 16)
    assert stored_form(str(subject), 16) == f"ev.{part}.local.session.S1.state"
    assert Subject.parse_stored(stored_form(str(subject), 16)) == subject
    assert published_form(stored_form(str(subject), 16)) == str(subject)
    assert entity_filter("local", "session", "S1", 16) == f"ev.{part}.local.session.S1.*"


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "ev",
        "ev.local.session.S1",
        "ev.local.session.S1.state.more",
        "other.local.session.S1.state",
        "ev.local.session..state",
        "ev.local.session.*.state",
        "ev.local.session.a b.state",
        "ev.local.session.é.state",
        "ev.local.session.S1\n.state",
        f"ev.local.session.{'x' * 129}.state",
    ],
)
def test_others_are_no_subjects(subject: str) -> None:
    with pytest.raises(InvalidFact, match=r"ev\.<site>\.<entity>\.<id>\.<fact>") as caught:
        Subject.parse(subject)
    assert caught.value.reason == "invalid_subject"


def test_a_stored_subject_with_a_bad_token_is_refused() -> None:
    with pytest.raises(InvalidFact):
        Subject.parse_stored(f"ev.3.local.session.{'x' * 300}.state")
    with pytest.raises(InvalidFact):
        Subject.parse_stored("ev.local.session.S1.state")


@pytest.mark.parametrize(
    ("published", "stored"),
    [
        ("ev.local.session.S1.>", "ev.{part}.local.session.S1.>"),
        ("ev.*.session.S1.state", "ev.{part}.*.session.S1.state"),
        ("ev.*.session.*.state", "ev.*.*.session.*.state"),
        ("ev.*.session.>", "ev.*.*.session.>"),
        ("ev.local.>", "ev.*.local.>"),
        ("ev.>", "ev.>"),
    ],
)
def test_filters_are_written_in_the_published_form(published: str, stored: str) -> None:
    assert stored_form(published, 16) == stored.format(part=partition_of("S1", 16))


def test_only_our_subjects_have_a_stored_form() -> None:
    with pytest.raises(InvalidFact):
        stored_form("$JS.API.>", 16)


def test_tokens() -> None:
    assert is_token("A-z_09")
    assert is_token("x" * 128)
    assert not is_token("x" * 129)
    assert not is_token("")
    assert not is_token("a.b")
    assert not is_token("a\n")
