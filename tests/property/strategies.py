"""Random facts: mostly good ones over a few sessions, with everything in between that can go wrong."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference.published import Published

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SESSIONS = ("S1", "S2", "S3")
KEYS = st.sampled_from(["a", "b", "c", "product", "é", ""])

_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    max_size=6,
)
_NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.booleans(), _NUMBERS, _TEXT)
JSON = st.recursive(
    st.one_of(st.none(), SCALARS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=4)
"""Objects of any depth with nulls anywhere: patches."""


def without_nulls(value: Any) -> Any:
    """Draw a state, in which nulls stand in arrays only."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


STATES = OBJECTS.map(without_nulls)

_GOOD_TIMES = st.one_of(
    st.integers(-5000, 500).map(lambda s: (NOON + timedelta(seconds=s)).isoformat()),
    st.integers(-5000, 500).map(lambda s: (NOON + timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%S.123Z")),
)
_BAD_TIMES = st.sampled_from(["2999-01-01T00:00:00Z", "yesterday", "1700000000", ""])
_TIME_TEXTS = st.integers(0, 11).flatmap(lambda n: _GOOD_TIMES if n else _BAD_TIMES)
_TIMES = st.one_of(st.none(), _TIME_TEXTS)


def _body(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={**fields, "timestamp": _TIMES, "unknown": JSON})


_NAMES = st.sampled_from(["click", "poison", *["application_appears_hung"] * 2, "application_recovered", ""])
_CREATED = st.fixed_dictionaries(
    {"product": st.sampled_from(["P", "Q"]), "version": st.just("1")},
    optional={
        "hostname": st.one_of(st.none(), _TEXT),
        "machine_id": st.sampled_from(["m1", "m2", "", None, 7]),
        "timestamp": _TIMES,
    },
)
_EVENT = st.fixed_dictionaries(
    {"name": _NAMES},
    optional={
        "level": st.sampled_from(["debug", "info", "critical", None, "loud"]),
        "category": st.sampled_from(["ui", "", None]),
        "labels": st.lists(_TEXT, max_size=2),
        "message": st.one_of(_TEXT, _TEXT, _TEXT, st.just(3)),
        "data": OBJECTS,
        "stacktrace": st.one_of(_TEXT, st.lists(_TEXT, max_size=2)),
        "exception_type": st.sampled_from(["ValueError", None]),
        "source_line": st.sampled_from([1, 2, 3, 2**31 - 1, 2**31, 1.5, True]),
        "timestamp": _TIMES,
    },
)
_METRIC = st.fixed_dictionaries(
    {"name": st.just("m"), "value": st.one_of(_NUMBERS, _NUMBERS, st.sampled_from(["1", True]))},
    optional={
        "type": st.sampled_from(["gauge", "counter", "speed", None]),
        "count": st.sampled_from([0, 2**63, -1]),
        "unit": st.just("ms"),
        "tags": st.one_of(st.lists(_TEXT, max_size=2), OBJECTS),
        "metadata": OBJECTS,
        "timestamp": _TIMES,
    },
)
_STATE = st.one_of(
    OBJECTS,
    st.fixed_dictionaries({"state": OBJECTS}, optional={"timestamp": _TIMES}),
    st.fixed_dictionaries({"state": OBJECTS, "more": JSON}),
)
_CRASHED = _body(
    reason=st.sampled_from(["killed", "killed", "killed", None]),
    cause=st.sampled_from(["explicit", "explicit", "machine_returned", "other"]),
    machine_id=st.sampled_from(["m1", None]),
)
_EMPTY = _body()
_BROKEN = st.sampled_from(
    [
        b'{"name":',
        b"[]",
        b"3",
        b'"x"',
        b"\xff\xfe",
        b'{"a":"\\u0000","name":"n","product":"p","version":"v","value":1}',
        b'{"a":"\\ud800","name":"n","product":"p","version":"v","value":1}',
        b'{"name":"n","value":1e999,"product":"p","version":"v"}',
        b'{"name":"n","value":NaN,"product":"p","version":"v"}',
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b'{"name":"\\u0000"}',
        b'{"name":"n","product":1,"version":2,"value":"three"}',
    ]
)

BODIES: dict[str, st.SearchStrategy[Any]] = {
    "created": _CREATED,
    "state": _STATE,
    "event": _EVENT,
    "metric": _METRIC,
    "ended": _EMPTY,
    "crashed": _CRASHED,
    "expired": _EMPTY,
    "heartbeat": _body(host_only=st.sampled_from([True, False, None, "yes"])),
}
"""Bodies of every fact of a session, some of them invalid."""
_WEIGHTED = [
    *["created", "state", "state", "event", "event", "metric", "heartbeat", "heartbeat"],
    *["crashed", "expired"],
]
_FACTS = st.one_of(st.sampled_from(_WEIGHTED), st.sampled_from(sorted(BODIES)))


@st.composite
def _fact(
    draw: st.DrawFn, facts: st.SearchStrategy[str], sessions: tuple[str, ...]
) -> tuple[str, bytes, dict[str, str], int]:
    fact, session = draw(facts), draw(st.sampled_from(sessions))
    site = draw(st.sampled_from(["local", "local", "fab2"])) if len(sessions) > 1 else "local"
    if draw(st.integers(0, 9)) == 0:
        body = draw(_BROKEN)
    else:
        body = json.dumps(draw(BODIES[fact])).encode()
        if body == b"{}" and draw(st.booleans()):
            body = b""
    headers = {}
    if draw(st.integers(0, 2)) == 0:
        headers["Nats-Msg-Id"] = f"{draw(st.sampled_from(['', 'auto:']))}{draw(st.integers(1, 3))}"
    if draw(st.integers(0, 5)) == 0:
        headers["Foldline-Time"] = draw(_TIME_TEXTS)
    if draw(st.integers(0, 3)) == 0:
        headers["Foldline-Clock"] = "own"
    # Mostly seconds apart; days now and then, so that message ids leave their window.
    pause = draw(st.sampled_from([0, 1, 1, 1, 2, 60, 3 * 86_400]))
    return f"ev.{site}.session.{session}.{fact}", body, headers, pause


@st.composite
def fact_lists(
    draw: st.DrawFn,
    *,
    kinds: st.SearchStrategy[str] = _FACTS,
    sessions: tuple[str, ...] = SESSIONS,
    min_size: int = 1,
    max_size: int = 30,
) -> list[Published]:
    """Draw facts as two streams stored them: sequences and store times grow."""
    stored_at, sequences, facts = NOON, {True: 0, False: 0}, []
    drawn = draw(st.lists(_fact(kinds, sessions), min_size=min_size, max_size=max_size))
    for place, (*own, pause) in enumerate(drawn):
        again = place and draw(st.integers(0, 7)) == 0  # sent once more: under a message id, a repetition
        subject, body, headers = draw(st.sampled_from(drawn[:place]))[:3] if again else own
        # Not at the same microsecond: a server's clock gives every message a time of its own.
        stored_at += timedelta(seconds=pause, microseconds=1)
        beat = subject.endswith(".heartbeat")
        sequences[beat] += 1
        facts.append(Published(subject, body, sequences[beat], stored_at, headers))
    return facts


@st.composite
def splits(draw: st.DrawFn, facts: list[Published]) -> list[list[Published]]:
    """Split the facts into batches."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(facts) - 1)), max_size=6)))
    return [facts[a:b] for a, b in zip([0, *cuts], [*cuts, len(facts)], strict=True)]


@st.composite
def interleavings(draw: st.DrawFn, facts: list[Published]) -> list[Published]:
    """Merge the two streams of the facts anew; each keeps its own order."""
    streams = [
        [one for one in facts if one.fact != "heartbeat"],
        [one for one in facts if one.fact == "heartbeat"],
    ]
    merged = []
    while all(streams):
        merged.append(streams[draw(st.integers(0, 1))].pop(0))
    return [*merged, *streams[0], *streams[1]]
