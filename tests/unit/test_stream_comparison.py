"""A declared stream beside the server's: what it grows by, and what is an error with advice."""

from typing import Any

import pytest

from line.stream_comparison import ADVICE, compare, describe
from schemas.jobs.streams import JOBS
from schemas.registry import DECLARED
from schemas.sessions.streams import SESSIONS

FLAGS = {"allow_direct", "allow_atomic"}


def declared(**changes: Any) -> dict[str, Any]:
    return DECLARED.config(SESSIONS, partitions=16, replicas=1) | changes


def copied(**changes: Any) -> dict[str, Any]:
    (copy,) = JOBS.mirrors(["fab1"])
    return DECLARED.config(copy, partitions=16, replicas=1) | changes


SUBJECTS = declared()["subjects"]
TRANSFORM = declared()["subject_transform"]


def test_what_the_server_adds_is_no_difference() -> None:
    actual = declared(compression="none", placement={}, max_consumers=-1)
    actual["subjects"] = actual["subjects"][::-1]
    actual["max_age"] = None
    assert compare(declared(), actual) == ({}, [])
    mirror = copied()["mirror"]
    assert compare(copied(), copied(mirror=mirror | {"opt_start_seq": 1})) == ({}, [])


# The server's value, and what is added: the declaration is beyond the server.
GROWS = [
    ("subjects", SUBJECTS[1:], [*SUBJECTS[1:], SUBJECTS[0]]),
    ("subjects", ["ev.*.session.*.later"], ["ev.*.session.*.later", *SUBJECTS]),
    ("allow_direct", False, True),
    ("allow_direct", None, True),
    ("allow_atomic", False, True),
    ("num_replicas", 1, 3),
]


@pytest.mark.parametrize(("field", "have", "added"), GROWS)
def test_a_stream_grows_by_what_it_lacks(field: str, have: Any, added: Any) -> None:
    found = compare(declared(num_replicas=3), declared(num_replicas=3) | {field: have})
    assert found == ({field: added}, [])


# The server's value where that is beyond the declaration: a newer program made it so.
BEYOND = [
    ("subjects", {"subjects": [*SUBJECTS, "ev.*.session.*.later"]}, {}),
    ("allow_direct", {}, {"allow_direct": False}),
    ("allow_atomic", {}, {"allow_atomic": False}),
]


@pytest.mark.parametrize(("field", "server", "declaration"), BEYOND)
def test_what_is_beyond_an_older_program_is_no_difference(
    field: str, server: dict[str, Any], declaration: dict[str, Any]
) -> None:
    assert field in {*server, *declaration}
    assert compare(declared(**declaration), declared(**server)) == ({}, [])


# The server's value, and the words of the advice.
ERRORS = [
    ("subjects", ["ev.>"], "FOLDLINE_OWN_SITE_ONLY"),
    ("subjects", [one.replace("ev.*", "ev.fab1") for one in SUBJECTS], "FOLDLINE_OWN_SITE_ONLY"),
    ("subjects", [*SUBJECTS[1:], "ev.fab1.session.*.created"], "FOLDLINE_OWN_SITE_ONLY"),
    ("subjects", None, "move to new streams"),
    ("retention", "interest", "removes what was read"),
    ("storage", "memory", "cannot be edited"),
    ("discard", "new", "refuses facts"),
    ("num_replicas", 3, "FOLDLINE_STREAM_REPLICAS"),
    ("max_msgs_per_subject", 1, "keeps the newest fact"),
    ("max_age", 10**9, "how long a fact is kept"),
    ("max_msgs", 5, "oldest facts"),
    ("max_bytes", 5, "oldest facts"),
    ("max_msg_size", 5, "set aside"),
    ("duplicate_window", 1, "retries rely on it"),
    ("subject_transform", TRANSFORM | {"dest": "other.>"}, "FOLDLINE_PARTITIONS"),
    ("subject_transform", None, "FOLDLINE_PARTITIONS"),
]


@pytest.mark.parametrize(("field", "have", "advice"), ERRORS)
def test_any_other_difference_is_an_error_with_advice(field: str, have: Any, advice: str) -> None:
    additions, (problem,) = compare(declared(), declared() | {field: have})
    assert additions == {}
    assert problem.startswith(f"stream SESSIONS: {field} is {have!r}, declared ")
    assert advice in problem


@pytest.mark.parametrize(
    "mirror", [None, {"name": "JOBS", "external": {"api": "$JS.fab2.API"}}, {"name": "X"}]
)
def test_a_copy_of_another_stream_is_an_error(mirror: Any) -> None:
    _, (problem,) = compare(copied(), copied(mirror=mirror))
    assert "FOLDLINE_SITES" in problem


def test_every_field_is_in_these_tables_and_has_its_sentence() -> None:
    fields = {*declared(), *copied()} - {"name"}
    assert {*ADVICE} == fields - FLAGS
    assert {field for field, *_ in (*GROWS, *ERRORS)} | {"mirror"} == fields
    assert len({*ADVICE.values()}) >= len(ADVICE) - 1  # limits on messages and bytes differ by a word


def test_what_is_added_is_said() -> None:
    actual = declared(num_replicas=1, allow_atomic=False, subjects=SUBJECTS[2:])
    additions, _ = compare(declared(num_replicas=3), actual)
    assert describe(additions, actual) == (
        f"takes {SUBJECTS[0]}, {SUBJECTS[1]} as well; num_replicas is 3, was 1; "
        "allow_atomic is True, was False"
    )
