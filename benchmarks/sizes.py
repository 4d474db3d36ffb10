"""How much is measured: the whole, and a quick one that only shows that everything works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of events, and seconds."""

    raw: int  # events published and read for the raw limits, rows copied
    thorough: bool  # raw limits beside each share of them, each kind of list by itself
    turns: int  # of a short measurement, and of its raw limit beside it
    published: int  # events through the publisher
    rebuilt: tuple[int, ...]  # stored events of the rebuilds
    grown: tuple[int, ...]  # stored events at which growth is looked at, rising
    probe_s: float  # one try of a rate under live load
    step: float  # from one such rate to the next
    live_s: float  # how long the lag has to stay small
    latency_s: float  # at each rate, in all turns
    http_s: float  # each run of the HTTP client, in all turns
    connections: tuple[int, ...]  # of the HTTP client, rising
    replicas: tuple[int, ...]  # consumers that share a load
    shared_s: float  # how long that lasts
    ingested: int  # events of jobs in batches, each way and turn
    jobs: int  # in the read model when it is asked
    listed_s: float  # each kind of list, in all turns


FULL = Sizes(
    raw=200_000,
    thorough=True,
    turns=3,
    published=60_000,
    rebuilt=(200_000, 2_000_000),
    grown=(100_000, 1_000_000, 10_000_000),
    probe_s=6,
    step=1.2,
    live_s=30,
    latency_s=30,
    http_s=9,
    connections=(1, 16, 64),
    replicas=(1, 2, 4),
    shared_s=20,
    ingested=60_000,
    jobs=1_000_000,
    listed_s=9,
)

QUICK = Sizes(
    raw=5_000,
    thorough=False,
    turns=1,
    published=2_000,
    rebuilt=(5_000,),
    grown=(2_500, 5_000),
    probe_s=1,
    step=16.0,
    live_s=2,
    latency_s=1,
    http_s=1,
    connections=(1, 64),
    replicas=(2,),
    shared_s=1,
    ingested=2_000,
    jobs=20_000,
    listed_s=1,
)
