"""Admission: message ids, event times, and what is refused."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from line.raw_event import RawEvent
from producers.admission import admit_fact
from producers.job_admission import admit_job_event
from projections.recorded import decode
from schemas.facts import CLOCK, OWN_CLOCK, TIME, Fact
from schemas.headers import header_block
from schemas.stored_subjects import stored_form
from schemas.subjects import Subject
from schemas.validation import InvalidFact
from tests.support.jobs import job_event

NOW = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
SUBJECT = Subject("fab1", "session", "S1", "event")
BODY = b'{"name":"n"}'


def test_without_a_time_it_happened_now() -> None:
    fact = admit_fact(SUBJECT, BODY, now=NOW)
    assert fact.headers == {TIME: "2026-01-31T12:00:00.000005Z", CLOCK: OWN_CLOCK}
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


@pytest.mark.parametrize("entity", ["session", "job"])
def test_what_a_wrong_clock_of_ours_said_is_never_rejected(entity: str) -> None:
    """The host's clock is an hour ahead of the server's; an event says nothing of its own time."""
    ahead = NOW + timedelta(hours=1)
    if entity == "session":
        fact = admit_fact(SUBJECT, BODY, now=ahead)
    else:
        said = job_event("J1", at=None)
        fact = admit_job_event(
            json.dumps(said).encode(), site="fab1", now=ahead, max_skew=timedelta(seconds=600)
        )
    assert fact_time(fact) == NOW + timedelta(seconds=600)


def test_a_client_says_that_its_time_is_its_clocks() -> None:
    """Its body has a time; the server's own clock is right."""
    said = json.dumps(job_event("J1", at="2026-01-31T13:00:00Z")).encode()
    admit = partial(admit_job_event, said, site="fab1", now=NOW, max_skew=timedelta(seconds=600))
    with pytest.raises(InvalidFact, match="skew"):
        admit()
    assert fact_time(admit(headers={CLOCK: OWN_CLOCK})) == NOW + timedelta(seconds=600)


def fact_time(fact: Fact) -> datetime:
    """When a fact happened, as a fold finds it that was stored at NOW."""
    block = header_block(fact.headers)
    subject = stored_form(str(fact.subject), 16)
    return decode(RawEvent("S", 1, 1, NOW, subject, block, fact.body)).at
