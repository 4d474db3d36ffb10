"""Admission: message ids, event times, and what is refused."""

from datetime import UTC, datetime

import pytest

from producers.admission import admit_fact
from schemas.facts import TIME
from schemas.subjects import Subject
from schemas.validation import InvalidFact

NOW = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
SUBJECT = Subject("fab1", "session", "S1", "event")
BODY = b'{"name":"n"}'


def test_without_a_time_it_happened_now() -> None:
    fact = admit_fact(SUBJECT, BODY, now=NOW)
    assert fact.headers == {TIME: "2026-01-31T12:00:00.000005Z"}
    assert fact.body is BODY


def test_time_of_the_body_or_the_header_is_kept() -> None:
    with_time = b'{"name":"n","timestamp":"2026-01-31T11:00:00Z"}'
    assert admit_fact(SUBJECT, with_time, now=NOW).headers == {}
    headers = {TIME: "2026-01-31T11:00:00+01:00", "traceparent": "00-a-b-01"}
    assert admit_fact(SUBJECT, BODY, headers=headers, now=NOW).headers == headers


def test_message_id_is_the_key_in_its_entity_or_made_up() -> None:
    assert admit_fact(SUBJECT, BODY, key="a:b/c", now=NOW).message_id == "fab1:session:S1:a:b/c"
    made_up = {admit_fact(SUBJECT, BODY, now=NOW).message_id for _ in range(10)}
    assert len(made_up) == 10
    assert all(message_id.startswith("auto:") for message_id in made_up)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "ü", "k" * 257])
def test_keys_that_are_no_header_tokens_are_refused(key: str) -> None:
    with pytest.raises(InvalidFact, match="Idempotency-Key"):
        admit_fact(SUBJECT, BODY, key=key, now=NOW)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"{}", {}, "missing_field"),
        (b'{"name":1}', {}, "invalid_field"),
        (b'{"name":', {}, "invalid_json"),
        (b'{"name":"' + b"x" * 2000 + b'"}', {}, "too_large"),
        (BODY, {TIME: "yesterday"}, "invalid_time"),
        (BODY, {TIME: "2026-01-31T12:11:00Z"}, "time_in_future"),
        (b'{"name":"n","timestamp":"2026-01-31T12:11:00Z"}', {}, "time_in_future"),
    ],
)
def test_invalid_facts_are_refused(body: bytes, headers: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidFact) as refusal:
        admit_fact(SUBJECT, body, headers=headers, now=NOW, max_bytes=1000)
    assert refusal.value.reason == reason
