"""The registry: what follows from families, and which families contradict each other."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from foldline.asyncapi import line_document
from foldline.cli.parameters import KNOWN_FACTS
from schemas.family import Family
from schemas.jobs.streams import JOBS
from schemas.registry import DECLARED, Registry
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.streams import Stream
from schemas.subjects import TOKEN
from tests.support.toy_families import ACCOUNTS, NAME, TICKET, TICKETS, TOYS, USER, another_fact

ROOT = Path(__file__).parents[2]


def test_every_fact_has_a_stream_that_binds_it_and_no_other_does() -> None:
    for registry in (DECLARED, TOYS):
        bound = [subject for stream in registry.streams for subject in registry.subjects(stream)]
        named = [f"ev.*.{entity}.*.{fact}" for entity, fact in registry.fact_types]
        assert sorted(bound) == sorted(named)
        assert len(bound) == len(set(bound))


def test_what_is_declared_is_found() -> None:
    assert DECLARED.streams == (SESSIONS, HEARTBEATS, JOBS)
    assert DECLARED.stream_of("session", "heartbeat") is HEARTBEATS
    assert DECLARED.families["session"].streams == (SESSIONS, HEARTBEATS)
    assert DECLARED.latest_only == {"HEARTBEATS"}
    assert DECLARED.slotted == {"job"}
    with pytest.raises(KeyError):
        DECLARED.stream_of("session", "exploded")


def test_a_centre_keeps_copies_of_the_streams_that_are_mirrored() -> None:
    assert TOYS.streams_of([]) == (ACCOUNTS, TICKETS)
    one, other = TOYS.streams_of(["fab1", "fab2"])
    assert (one.name, one.origin, one.days) == ("TICKETS_fab1", ("fab1", "TICKETS"), 1)
    assert (other.name, other.origin) == ("TICKETS_fab2", ("fab2", "TICKETS"))
    assert TOYS.subjects(one) == ["ev.*.ticket.*.opened"]
    assert [stream.name for stream in DECLARED.streams_of(["fab1"])] == ["JOBS_fab1"]


def test_a_fact_more_is_one_entry() -> None:
    """Its subject, its stream's binding, its channel and its name in the help follow."""
    more = replace(USER, facts=(*USER.facts, another_fact("renamed", ACCOUNTS)))
    grown = Registry((more, NAME, TICKET))
    new = {*grown.subjects(ACCOUNTS)} - {*TOYS.subjects(ACCOUNTS)}
    assert new == {"ev.*.user.*.renamed"}
    before, after = (line_document("1", registry=one)["channels"] for one in (TOYS, grown))
    assert [channel["address"] for name, channel in after.items() if name not in before] == [
        "ev.{site}.user.{id}.renamed"
    ]


def test_the_document_of_the_line_describes_every_fact() -> None:
    document = line_document("1")
    channels = {channel["address"]: channel for channel in document["channels"].values()}
    assert channels.keys() == {f"ev.{{site}}.{entity}.{{id}}.{fact}" for entity, fact in DECLARED.fact_types}
    described = {name: channels[f"ev.{{site}}.{name}"]["parameters"]["id"]["description"] for name in (
        "session.{id}.created", "job.{id}.started"
    )}  # fmt: skip
    assert described["session.{id}.created"] == f"Id of the session, {TOKEN.pattern}."
    assert "SHA-256" in described["job.{id}.started"]


def test_help_lists_every_fact() -> None:
    for family in DECLARED.families.values():
        assert f"{family.entity}: {', '.join(fact.name for fact in family.facts)}" in KNOWN_FACTS


def test_the_table_in_the_documents_is_the_declaration() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `([A-Z]+)` \| (\w+): ([\w, ]+?) \| (.*) \|$", text, re.MULTILINE)
    told = {(stream, entity): facts.split(", ") for stream, entity, facts, _ in rows}
    declared: dict[tuple[str, str], list[str]] = {}
    for (entity, fact), kind in DECLARED.fact_types.items():
        declared.setdefault((kind.stream.name, entity), []).append(fact)
    assert told == declared
    kept = {stream: kept for stream, _, _, kept in rows}
    for stream in DECLARED.streams:
        assert stream.newest_only == kept[stream.name].startswith("the newest")
        assert not stream.days or kept[stream.name] == f"{stream.days} days"


OTHER = Stream(name="OTHER")


@pytest.mark.parametrize(
    ("families", "says"),
    [
        ((USER, USER), "two families are called user"),
        ((replace(NAME, facts=NAME.facts * 2),), "two facts of a name are called claimed"),
        (
            (
                Family(entity="a", facts=(another_fact("b", OTHER),)),
                Family(entity="c", facts=(another_fact("b", OTHER),)),
            ),
            "OTHER binds facts of a, c: only a shared stream may",
        ),
        (
            (USER, replace(TICKET, facts=(another_fact("opened", ACCOUNTS),))),
            "ACCOUNTS binds facts of user, ticket: all have slots, or none has",
        ),
        (
            (
                Family(entity="a", facts=(another_fact("b", OTHER),)),
                Family(entity="c", facts=(another_fact("b", replace(OTHER, days=1)),)),
            ),
            "two streams have the same name",
        ),
        (
            (Family(entity="a", facts=(another_fact("b", replace(OTHER, newest_only=True)),)),),
            "a.b: what an unreadable body counts as has to be declared",
        ),
    ],
)
def test_families_that_contradict_each_other_are_refused(families: tuple[Family, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Registry(families)


_BRANCHES = re.compile(
    r"isinstance\([^)]*, (?:JobFact|SessionState)\)|\bSLOTTED\b|\bentity [!=]= \"|"
    r"(?:HEARTBEATS|SESSIONS|JOBS)\.name [!=]=|[!=]= (?:HEARTBEATS|SESSIONS|JOBS)\.name\b"
)


def test_nothing_branches_on_a_family_outside_its_own_folder() -> None:
    rooms = ("schemas", "runtime", "line", "projections", "producers", "consumers", "api", "foldline")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    own = re.compile(r"/(?:sessions|jobs)/")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        if not own.search(str(path.relative_to(ROOT)))
        for line in path.read_text().splitlines()
        if _BRANCHES.search(line)
    ]
    assert len(files) > 200
    assert found == []
