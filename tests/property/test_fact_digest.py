"""Equal JSON has equal digests, whatever its spelling and times; anything else has another one."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.fact_digest import fact_digest
from tests.property.strategies import JSON, OBJECTS
from tests.reference.sessions import comparable
from tests.support.jobs import job_event

SEEDS = st.integers(0, 2**32)


def spelled(value: Any, chance: random.Random) -> str:
    """Return JSON text of a value, in one of its many forms."""
    blank = chance.choice(["", " ", "\n\t"])
    if isinstance(value, dict):
        names = chance.sample(sorted(value), len(value))
        inner = f"{blank},{blank}".join(
            f"{spelled(name, chance)}{blank}:{spelled(value[name], chance)}" for name in names
        )
        return f"{{{blank}{inner}{blank}}}"
    if isinstance(value, list):
        return f"[{blank}{f'{blank},'.join(spelled(item, chance) for item in value)}]"
    if isinstance(value, str):
        escaped = "".join(
            chance.choice([json.dumps(one)[1:-1], f"\\u{ord(one):04x}"]) if ord(one) < 0x10000 else one
            for one in value
        )
        return f'"{escaped}"'
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return chance.choice([str(value), f"{value}.0", f"{value}e0", f"{value}.00E+00"])
    return json.dumps(value)


def kinds(value: Any) -> Any:
    """Return a value whose equality tells true from 1, and takes 1.0 for 1."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, dict):
        return {name: kinds(item) for name, item in value.items()}
    if isinstance(value, list):
        return [kinds(item) for item in value]
    return ("text", value) if isinstance(value, str) else comparable(value)


@given(OBJECTS, SEEDS)
def test_the_spelling_does_not_matter(value: Any, seed: int) -> None:
    text = spelled(value, random.Random(seed)).encode()
    assert fact_digest("session", "state", text) == fact_digest(
        "session", "state", json.dumps(value).encode()
    )


@given(OBJECTS, OBJECTS)
def test_other_values_have_other_digests(one: Any, other: Any) -> None:
    digests = [fact_digest("session", "state", json.dumps(value).encode()) for value in (one, other)]
    assert (digests[0] == digests[1]) == (kinds(one) == kinds(other))


@given(JSON, JSON)
def test_a_changed_value_changes_the_digest(value: Any, other: Any) -> None:
    digests = [
        fact_digest("session", "event", json.dumps({"name": "n", "data": {"a": [item]}}).encode())
        for item in (value, other)
    ]
    assert (digests[0] == digests[1]) == (kinds(value) == kinds(other))


@given(st.dictionaries(st.sampled_from(["at", "started_at", "ended_at"]), st.text(max_size=3)), SEEDS)
def test_times_of_a_job_do_not_matter(times: dict[str, str], seed: int) -> None:
    plain = job_event("J1", "finished", metrics={"rows": 3}, metadata={"at": "kept"})
    other = {**plain, "idempotency_key": "k", "site_id": None, "event": {**plain["event"], **times}}
    text = spelled(other, random.Random(seed)).encode()
    assert fact_digest("job", "finished", text) == fact_digest("job", "finished", json.dumps(plain).encode())


def test_what_is_no_time_matters() -> None:
    """A bare patch may have a value called timestamp, and metadata a value called at."""

    def state(body: bytes) -> int:
        return fact_digest("session", "state", body)

    assert state(b'{"timestamp":1}') != state(b'{"timestamp":2}')
    assert state(b'{"state":{},"timestamp":"a","x":1}') != state(b'{"state":{},"timestamp":"b","x":1}')
    assert state(b'{"state":{},"timestamp":"a"}') == state(b'{"timestamp":"b","state":{}}')
    jobs = [json.dumps(job_event("J1", metadata={"at": at})).encode() for at in ("a", "b")]
    assert fact_digest("job", "started", jobs[0]) != fact_digest("job", "started", jobs[1])


def test_the_fact_matters_and_an_empty_body_is_an_object() -> None:
    assert fact_digest("session", "ended", b"") == fact_digest("session", "ended", b" { } ")
    assert fact_digest("session", "ended", b"") != fact_digest("session", "crashed", b"")


def test_what_is_no_object_is_taken_byte_for_byte() -> None:
    bodies = [b"{", b"[]", b"[ ]", b"3", b"\xff", b"[" * 100_000, b"1" * 5_000, b'{"event":3}', b"null"]
    digests = {fact_digest("job", "started", body) for body in bodies}
    assert len(digests) == len(bodies)
