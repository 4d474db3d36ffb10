"""Consumers join, leave, crash and hang at random under load; afterwards everything is shared evenly."""

import asyncio
import itertools
import json
import logging
import random
import signal
import time
from collections import Counter

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from tests.faults.load import Load, under_load
from tests.support.forked import run_forked
from tests.support.processes import Processes, ProcessUnderTest, environment
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

logger = logging.getLogger(__name__)

_MOST = 5
_ACTS = ("crash", "join", "hang", "leave", "wake", "join")


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
async def test_replicas_come_and_go(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes, seed: int
) -> None:
    settings = line_settings(own_nats, own_postgres.dsn, lease_ttl=1.0)
    await _at_random(settings, processes, seconds=50, seed=seed)


async def _at_random(settings: Settings, processes: Processes, *, seconds: float, seed: int) -> None:
    async with under_load(settings, processes, consumers=_MOST) as load:
        replicas = Replicas(load, random.Random(seed))
        await asyncio.to_thread(replicas.churn, seconds)
        replicas.complete()
        await wait_until(lambda: _even(settings, len(replicas.living)), 60, what="even shares")
    logger.info("acts: %s", dict(replicas.acts))
    assert set(replicas.acts) == set(_ACTS)


class Replicas:
    """Consumers of one line, and what befalls them."""

    def __init__(self, load: Load, chance: random.Random) -> None:
        self.acts: Counter[str] = Counter()
        self.hanging: list[ProcessUnderTest] = []
        self._load = load
        self._chance = chance
        self.living = list(load.consumers)

    def churn(self, seconds: float) -> None:
        """Each act once, then whatever chance brings, with rests at random, for so long."""
        end = time.monotonic() + seconds
        acts = itertools.chain(_ACTS, iter(lambda: self._chance.choice(_ACTS), None))
        while time.monotonic() < end or set(_ACTS) - set(self.acts):
            self._act(next(acts))
            time.sleep(self._chance.uniform(0, 0.8))  # what is varied here is time itself

    def complete(self) -> None:
        """Wake who hangs, start who lacks."""
        while self.hanging:
            self._wake()
        while len(self.living) < _MOST:
            self.living.append(self._load.consumer())

    def _act(self, act: str) -> None:
        if act == "join" and len(self.living) + len(self.hanging) < _MOST:
            self.living.append(self._load.consumer())
        elif act == "wake" and self.hanging:
            self._wake()
        elif act in ("leave", "crash", "hang") and len(self.living) > 2:
            chosen = self._chance.choice(self.living)
            if act == "leave" and "follows the line" not in chosen.text():
                return  # Python itself is still starting: nobody answers SIGTERM yet
            self.living.remove(chosen)
            if act == "leave":
                assert chosen.stop() == 0
            elif act == "crash":
                chosen.kill()
            else:
                chosen.send(signal.SIGSTOP)
                self.hanging.append(chosen)
        else:
            return
        self.acts[act] += 1

    def _wake(self) -> None:
        woken = self.hanging.pop(0)
        woken.send(signal.SIGCONT)
        self.living.append(woken)


async def _even(settings: Settings, replicas: int) -> bool:
    """Whether `foldline status` shows every partition held, and shares that differ by one at most."""
    asked = await asyncio.to_thread(run_forked, ("status", "--json"), env=environment(settings))
    assert asked.returncode == 0
    for follower in json.loads(asked.stdout)["followers"]:
        shares = sorted(map(len, follower["owners"].values()))
        if follower["unheld"] or len(shares) != replicas or shares[-1] - shares[0] > 1:
            return False
    return True
