"""Unique names under concurrency: of all who claim one at once exactly one has it, others nothing."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from nats.aio.client import Client

from foldline.embedded.nats import NatsServer
from line.connection import connect_bus
from line.jetstream import request_api
from producers.publishing.publisher import Ack, Conflict, Publisher
from schemas.subjects import hashed
from tests.support.examples import examples
from tests.support.publisher import stored
from tests.support.settings import PARTITIONS, line_settings
from tests.support.toy_families import ACCOUNTS, TOYS, account_fact


@dataclass(frozen=True)
class Claim:
    """Somebody who creates a user under a name, by one of several publishers, perhaps twice."""

    user: int
    name: int
    publisher: int
    times: int


claims = st.lists(
    st.builds(
        Claim,
        user=st.integers(0, 5),
        name=st.integers(0, 2),
        publisher=st.integers(0, 1),
        times=st.sampled_from([1, 1, 1, 2]),
    ),
    min_size=2,
    max_size=12,
)


@pytest.fixture
async def publishers(line_server: NatsServer) -> AsyncIterator[list[Publisher]]:
    """Two publishers of the toy families, as two processes would have, on a line with their stream."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            nc = await connect_bus(line_settings(line_server), name="test-claims", publisher=True)
            stack.push_async_callback(nc.close)
            made.append(Publisher(nc, partitions=PARTITIONS, timeout=20, registry=TOYS))
            stack.push_async_callback(made[-1].aclose)
        declared = TOYS.config(ACCOUNTS, partitions=PARTITIONS, replicas=1)
        await request_api(nc, f"STREAM.DELETE.{ACCOUNTS.name}")
        assert "error" not in await request_api(nc, f"STREAM.CREATE.{ACCOUNTS.name}", declared)
        yield made
        await request_api(nc, f"STREAM.DELETE.{ACCOUNTS.name}")


# Every example has names and users of its own, so it may share the line with the others.
@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=claims)
async def test_exactly_one_wins(publishers: list[Publisher], observer: Client, claims: list[Claim]) -> None:
    run = uuid.uuid4().hex
    tried = [n for n, one in enumerate(claims) for _ in range(one.times)]
    outcomes = await asyncio.gather(
        *(_claim(publishers[claims[n].publisher], run, n, claims[n]) for n in tried)
    )
    won: dict[int, set[int]] = {}
    for n, outcome in zip(tried, outcomes, strict=True):
        if isinstance(outcome, Conflict):
            site, entity, address = outcome.fact.subject.address
            assert (site, entity) in (("local", "user"), ("local", "name"))
            assert address in (_user(run, claims[n].user), _name(run, claims[n].name))
            assert outcome.last > 0
        else:
            won.setdefault(n, set()).add(outcome[0].position.sequence)
    # Whoever won twice under the same ids was told the same.
    assert all(len(sequences) == 1 for sequences in won.values())
    names, users = ([getattr(claims[n], what) for n in won] for what in ("name", "user"))
    assert len(names) == len(set(names))
    assert len(users) == len(set(users))
    # Nobody lost against nobody: each claim that failed met a name or a user that somebody else has.
    for n in {*tried} - {*won}:
        assert claims[n].name in names or claims[n].user in users
    kept = await stored(observer, "ev.>", ACCOUNTS.name)
    mine = [message for message in kept if json.loads(message.data).get("run") == run]
    assert len(mine) == 2 * len(won)


async def _claim(publisher: Publisher, run: str, number: int, claim: Claim) -> list[Ack] | Conflict:
    user, name = _user(run, claim.user), _name(run, claim.name)
    body = json.dumps({"name": name, "user": user, "run": run}).encode()
    batch = [
        (account_fact("user", user, "created", body, f"{number}"), 0),
        (account_fact("name", name, "claimed", body, f"{number}"), 0),
    ]
    try:
        return await publisher.publish_atomically(batch)
    except Conflict as conflict:
        return conflict


def _user(run: str, number: int) -> str:
    return f"{run}-{number}"


def _name(run: str, number: int) -> str:
    return hashed(f"{run}: name {number}")
