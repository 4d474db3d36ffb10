"""The load of job events that is measured: as applications send it."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from benchmarks import job_events
from line.raw_event import RawEvent
from producers.job_admission import admit_job_event
from projections.jobs.fold import States, fold
from projections.jobs.rows import JobChanges
from projections.recorded import decode
from schemas.stored_subjects import stored_form


def test_every_event_is_valid_and_has_a_key_of_its_own() -> None:
    now = datetime.now(UTC)
    facts = [
        admit_job_event(body, site="local", now=now, max_skew=timedelta(0, 600))
        for body in job_events.bodies("load", 2_000)
    ]
    assert len({fact.message_id for fact in facts}) == 2_000
    assert {fact.subject.fact for fact in facts} == {"started", "progress", "metric", "finished"}


def test_jobs_end_with_their_subjobs() -> None:
    states: States = {}
    now = datetime.now(UTC)
    for sequence, body in enumerate(job_events.bodies("load", 1_600), 1):
        fact = admit_job_event(body, site="local", now=now, max_skew=timedelta(0, 600))
        raw = RawEvent("JOBS", 0, sequence, now, stored_form(str(fact.subject), 16), b"", body)
        fold(states, decode(raw), JobChanges())
    found = [state for key, state in states.items() if len(key) == 2 and state is not None]
    assert Counter(job.status for job in found) == {"succeeded": 90, "failed": 10}
    assert {(job.running, job.succeeded) for job in found} == {(0, job_events.SUBJOBS)}


def test_batches_hold_all_of_it_in_order() -> None:
    batches = [json.loads(body) for body in job_events.requests("load", 250, 100)]
    assert [len(batch) for batch in batches] == [100, 100, 50]
    keys = [event["idempotency_key"] for batch in batches for event in batch]
    assert keys == [json.loads(body)["idempotency_key"] for body in job_events.bodies("load", 250)]
