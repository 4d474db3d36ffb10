"""How much is measured: the whole, and a quick one that only shows that everything works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of events, and seconds."""

    raw: int  # events published and read for the raw limits, rows copied
    published: int  # events through the publisher
    rebuilt: tuple[int, ...]  # stored events of the rebuilds
    grown: tuple[int, ...]  # stored events at which growth is looked at, rising
    probe_s: float  # one try of a rate under live load
    live_s: float  # how long the lag has to stay small
    latency_s: float  # at each rate
    http_s: float  # each run of the HTTP client
    shared: int  # events folded by 1, 2 and 4 consumers


FULL = Sizes(
    raw=200_000,
    published=60_000,
    rebuilt=(200_000, 2_000_000),
    grown=(100_000, 1_000_000, 10_000_000),
    probe_s=8,
    live_s=30,
    latency_s=20,
    http_s=8,
    shared=200_000,
)

QUICK = Sizes(
    raw=5_000,
    published=2_000,
    rebuilt=(5_000,),
    grown=(2_500, 5_000),
    probe_s=1,
    live_s=2,
    latency_s=2,
    http_s=1,
    shared=5_000,
)
