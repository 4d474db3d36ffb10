"""The configuration of streams."""

import pytest

from schemas.jobs.streams import JOBS
from schemas.registry import DECLARED, Registry
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.streams import Stream
from tests.support.toy_families import ACCOUNTS, TICKETS, TOYS

DAY = 86_400 * 1_000_000_000
_COMMON = {
    "retention": "limits",
    "storage": "file",
    "discard": "old",
    "num_replicas": 3,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_msg_size": -1,
    "duplicate_window": 120_000_000_000,
    "allow_direct": True,
    "allow_atomic": True,
}
_SESSION_TRANSFORM = {
    "src": "ev.*.session.*.*",
    "dest": "ev.{{partition(16,2)}}.{{wildcard(1)}}.session.{{wildcard(2)}}.{{wildcard(3)}}",
}
# Written out: a data directory that exists must open.
CONFIGS = {
    SESSIONS: {
        "subjects": [
            f"ev.*.session.*.{fact}"
            for fact in ("created", "state", "event", "metric", "crashed", "ended", "expired")
        ],
        "max_msgs_per_subject": -1,
        "max_age": 0,
        "subject_transform": _SESSION_TRANSFORM,
    },
    HEARTBEATS: {
        "subjects": ["ev.*.session.*.heartbeat"],
        "max_msgs_per_subject": 1,
        "max_age": 0,
        "subject_transform": _SESSION_TRANSFORM,
    },
    JOBS: {
        "subjects": [
            f"ev.*.job.*.{fact}"
            for fact in ("started", "progress", "metric", "finished", "error", "canceled")
        ],
        "max_msgs_per_subject": -1,
        "max_age": 90 * DAY,
        "subject_transform": {
            "src": "ev.*.job.*.*",
            "dest": "ev.{{partition(16,2)}}.{{wildcard(1)}}.job.{{partition(4096,2)}}.{{wildcard(3)}}",
        },
    },
    ACCOUNTS: {
        "subjects": ["ev.*.user.*.created", "ev.*.user.*.deleted", "ev.*.name.*.claimed"],
        "max_msgs_per_subject": -1,
        "max_age": 0,
        "subject_transform": {
            "src": "ev.*.*.*.*",
            "dest": "ev.{{partition(16,3)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}",
        },
    },
}


@pytest.mark.parametrize(("registry", "stream"), [
    (DECLARED, SESSIONS), (DECLARED, HEARTBEATS), (DECLARED, JOBS), (TOYS, ACCOUNTS)
], ids=lambda one: one.name if isinstance(one, Stream) else "")  # fmt: skip
def test_the_configuration_of_a_stream(registry: Registry, stream: Stream) -> None:
    config = registry.config(stream, partitions=16, replicas=3)
    assert config == {"name": stream.name, **_COMMON, **CONFIGS[stream]}


def test_a_site_below_a_centre_binds_its_own_facts_only() -> None:
    config = DECLARED.config(HEARTBEATS, partitions=16, replicas=1, only_site="fab1")
    assert config["subjects"] == ["ev.fab1.session.*.heartbeat"]


def test_a_copy_mirrors_the_stream_of_its_site() -> None:
    (copy,) = TICKETS.mirrors(["fab1"])
    assert TOYS.config(copy, partitions=16, replicas=1) == {
        "name": "TICKETS_fab1",
        "mirror": {"name": "TICKETS", "external": {"api": "$JS.fab1.API"}},
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": 1,
        "max_age": DAY,
        "allow_direct": True,
    }
