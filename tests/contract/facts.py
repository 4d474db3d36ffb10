"""Random facts for every projection of the catalogue: what the cases of the contract feed it with.

A projection that is added to the catalogue needs an entry in `FACTS`; the cases fail without one.
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from line.raw_event import RawEvent
from projections.dedup_key import MESSAGE_ID_WINDOW, dedup_key_of
from projections.projection import Projection
from projections.recorded import decode
from schemas.facts import EXPIRED, MESSAGE_ID
from schemas.registry import DECLARED
from schemas.subjects import token_of
from schemas.validation import InvalidFact
from tests.property.strategies import JSON, NOON, fact_lists
from tests.reference.published import Published
from tests.support.folding import raw_event
from tests.support.jobs import job_event

FactLists = st.SearchStrategy[list[Published]]


@dataclass(frozen=True)
class Facts:
    """Lists of facts as the streams of one projection stored them: valid ones, and what can go wrong."""

    all: FactLists
    lasting: FactLists  # without facts after which an entity begins anew


_KEY = re.compile(b'"idempotency_key": "[^"]*"')
_JOBS = ("J1", "J2", "nightly / 42")  # the last one is no token
_APPS = [{"app_id": app_id, "name": name} for app_id in "AB" for name in ("app", "other")]
_NUMBERS = st.one_of(
    st.integers(0, 100),
    st.floats(0, 1e4, allow_nan=False),
    st.sampled_from([0.0, 1e-9, 9_100_000_001.0, 1e10]),
)
_METRICS = st.fixed_dictionaries(
    {},
    optional={
        "duration_s": st.one_of(_NUMBERS, st.none(), st.just(-1)),
        "cpu_user_s": _NUMBERS,
        "mem_max_mb": _NUMBERS,
        "rows": st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False)),
    },
)
_MINUTES = st.integers(0, 300)
_KINDS = st.sampled_from(sorted(DECLARED.facts["job"]))
_STATUSES = st.sampled_from([None, None, None, "running", "succeeded", "failed", "canceled"])


@st.composite
def _job_fact(draw: st.DrawFn) -> tuple[str, bytes, dict[str, str], int]:
    job, kind, site = draw(st.sampled_from(_JOBS)), draw(_KINDS), draw(_SITES)
    body = job_event(
        job,
        kind,
        minute=draw(_MINUTES),
        key=draw(st.sampled_from([None, "1", "2", "clé"])),
        sub=draw(st.sampled_from([None, None, "a", "b"])),
        app=draw(st.sampled_from(_APPS)),
        site=draw(st.sampled_from([site, None])),
        business_key=draw(st.sampled_from([None, "k1", "k2"])),
        sub_key=draw(st.sampled_from([None, "s1"])),
        status=draw(_STATUSES),
        metrics=draw(_METRICS),
        metadata=draw(st.dictionaries(st.sampled_from("abé"), JSON, max_size=2)),
    )
    if draw(st.integers(0, 4)) == 0:
        body["event"]["at"] = None
    wrong = draw(st.integers(0, 11))
    if wrong == 0:
        job = draw(st.sampled_from(_JOBS))  # the subject may be that of another job
    data = b'{"entity":' if wrong == 1 else json.dumps(body).encode()
    headers = {MESSAGE_ID: str(draw(st.integers(1, 5)))} if draw(st.booleans()) else {}
    pause = draw(st.sampled_from([0, 1, 1, 60, 3 * 86_400]))
    return f"ev.{site}.job.{token_of(job)}.{kind}", data, headers, pause


_SITES = st.sampled_from(["fab1", "fab1", "fab2"])


@st.composite
def _job_facts(draw: st.DrawFn) -> list[Published]:
    stored_at, facts = NOON, []
    drawn = draw(st.lists(_job_fact(), min_size=6, max_size=24))
    for sequence, (subject, body, headers, pause) in enumerate(drawn, 1):
        stored_at += timedelta(seconds=pause, microseconds=1)
        facts.append(Published(subject, body, sequence, stored_at, headers))
    return facts


_OF_SESSIONS: Final = Facts(
    all=fact_lists(min_size=8),
    lasting=fact_lists(kinds=st.sampled_from(sorted(DECLARED.facts["session"] - {EXPIRED})), min_size=8),
)
_OF_JOBS: Final = Facts(all=_job_facts(), lasting=_job_facts())

FACTS: Final = {
    "sessions": _OF_SESSIONS,
    "jobs": _OF_JOBS,
}
"""Facts by the name of their projection."""


def facts_of(projection: Projection[Any, Any]) -> Facts:
    """Return the facts of a projection, and fail the test if it has none."""
    if projection.name not in FACTS:
        pytest.fail(f"no facts to test the projection {projection.name} with: add them to {__file__}")
    return FACTS[projection.name]


def with_own_ids(facts: list[Published]) -> list[Published]:
    """Return the facts, each under a message id and, if its body has a key, a key of its own."""
    return [
        replace(
            one,
            headers=one.headers | {MESSAGE_ID: f"own-{n}"},
            body=_KEY.sub(b'"idempotency_key": "own-%d"' % n, one.body),
        )
        for n, one in enumerate(facts)
    ]


def _is_counted_once(one: Published) -> bool:
    raw = raw_event(one)
    try:
        return dedup_key_of(raw, decode(raw)) is not None
    except InvalidFact:
        return False


def many(lists: FactLists) -> list[Published]:
    """Return some hundred facts, each under a message id of its own."""
    found: list[Published] = []

    @hypothesis_settings(max_examples=20)
    @given(lists)
    def collect(facts: list[Published]) -> None:
        found.extend(facts)

    collect()
    return with_own_ids(found)


def numbered(facts: list[Published]) -> list[Published]:
    """Return the facts with sequences in this order, of each stream by itself."""
    last: dict[str, int] = {}
    found = []
    for one in facts:
        stream = raw_event(one).stream
        last[stream] = last.get(stream, 0) + 1
        found.append(replace(one, seq=last[stream]))
    return found


def held(facts: list[Published]) -> list[Published]:
    """Return the facts that the line still holds: of levels the newest, of what expired nothing older."""
    newest: dict[str, int] = {}
    expired: dict[tuple[str, str, str], int] = {}
    for one in facts:
        raw = raw_event(one)
        if raw.stream in DECLARED.latest_only:
            newest[raw.subject] = one.seq
        elif one.fact == EXPIRED and (key := _valid_key(raw)) is not None:
            expired[raw.stream, *key] = one.seq
    return [one for one in facts if _is_held(one, newest, expired)]


def _is_held(one: Published, newest: dict[str, int], expired: dict[tuple[str, str, str], int]) -> bool:
    raw = raw_event(one)
    if raw.stream in DECLARED.latest_only:
        return newest[raw.subject] == one.seq
    key = raw.key()
    return key is None or expired.get((raw.stream, *key), 0) <= one.seq


def _valid_key(raw: RawEvent) -> tuple[str, str] | None:
    try:
        return decode(raw).key
    except InvalidFact:
        return None


@st.composite
def repetitions(draw: st.DrawFn, facts: list[Published]) -> tuple[list[Published], list[Published]]:
    """Facts without and with repetitions: the same message ids again, within their window."""
    own = with_own_ids(facts)
    later: dict[int, list[Published]] = {n: [] for n in range(len(own))}
    for n, one in enumerate(own):
        if not _is_counted_once(one) or not draw(st.booleans()):
            continue
        ends = [m for m in range(n, len(own)) if own[m].stored_at - one.stored_at <= MESSAGE_ID_WINDOW]
        behind = draw(st.sampled_from(ends))
        later[behind].append(replace(one, stored_at=own[behind].stored_at))
    repeated = numbered([one for n, fact in enumerate(own) for one in (fact, *later[n])])
    first: dict[str, Published] = {}
    for one in repeated:
        first.setdefault(one.headers[MESSAGE_ID], one)
    return list(first.values()), repeated


@st.composite
def interleavings(draw: st.DrawFn, facts: list[Published]) -> list[Published]:
    """Draw another order of the facts in which each stream keeps its own order within a partition."""
    lanes: dict[tuple[str, int], list[Published]] = {}
    for one in facts:
        raw = raw_event(one)
        lanes.setdefault((raw.stream, raw.partition), []).append(one)
    merged = []
    while waiting := [lane for lane in lanes.values() if lane]:
        merged.append(draw(st.sampled_from(waiting)).pop(0))
    return merged
