"""The sizes of a whole run, and of a quick one that is just large enough to compare costs.

In a turn of the quick run every figure with a floor or a ceiling takes two processor seconds or more.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of events, and seconds, of all measurements of a run."""

    raw: int  # events published and read for the raw limits, rows copied
    thorough: bool  # a raw limit beside each share of it, each kind of list by itself
    turns: int  # of a short measurement and of the raw limit beside it
    long_turns: int  # of a long one: the raw limits by themselves, live load, growth
    tries: int  # of a turn, while others have the processors
    published: int  # events through the publisher
    rebuilt: tuple[int, ...]  # stored events of the rebuilds
    grown: tuple[int, ...]  # stored events at which growth is measured, rising
    probe_s: float  # length of one try of a rate under live load
    step: float  # from one such rate to the next
    live_s: float  # how long the lag has to stay small
    cost_s: float  # how long the cost of live load is measured
    latency_s: float  # at each rate, in each turn
    http_s: float  # each run of the HTTP client
    grown_s: float  # each run of the HTTP client for growth: once, whatever the turns
    connections: tuple[int, ...]  # of the HTTP client, rising
    replicas: tuple[int, ...]  # consumers that share a load
    shared_s: float  # how long that lasts
    ingested: int  # events of jobs in batches, each way and turn
    jobs: int  # in the read model when lists are asked for
    listed_s: float  # each kind of list, in each turn

    def with_turns(self, number: int) -> "Sizes":
        """Return the same sizes with so many turns of every measurement."""
        return replace(self, turns=number, long_turns=number)


FULL = Sizes(
    raw=200_000,
    thorough=True,
    turns=3,
    long_turns=1,
    tries=3,
    published=60_000,
    rebuilt=(200_000, 2_000_000),
    grown=(100_000, 1_000_000, 10_000_000),
    probe_s=6,
    step=1.2,
    live_s=30,
    cost_s=10,
    latency_s=10,
    http_s=3,
    grown_s=9,
    connections=(1, 16, 64),
    replicas=(1, 2, 4),
    shared_s=20,
    ingested=60_000,
    jobs=1_000_000,
    listed_s=3,
)

QUICK = Sizes(
    raw=10_000,
    thorough=False,
    turns=1,
    long_turns=1,
    tries=1,
    published=120_000,
    rebuilt=(50_000,),
    grown=(15_000, 50_000),
    probe_s=1,
    step=16.0,
    live_s=2,
    cost_s=5,
    latency_s=3,
    http_s=3,
    grown_s=1,
    connections=(64,),
    replicas=(2,),
    shared_s=1,
    ingested=16_000,
    jobs=20_000,
    listed_s=3,
)
