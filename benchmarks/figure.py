"""A figure: a measured value, the raw limit that it is a share of, and its floor or ceiling."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.turn import Turn


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, the median of its turns, and its share of `limit`, the value of the figure `of`.

    `least` is its floor, `most` its ceiling. They bound the share where there is one, the value otherwise.
    """

    name: str
    unit: str
    turns: tuple[Turn, ...]
    work: str = "events"  # the unit of a turn's work
    of: str = ""
    limit: float | None = None
    least: float | None = None
    most: float | None = None
    note: str = ""
    speed: float = 1.0  # of the processor when it was measured, see `processor_speed`

    @property
    def value(self) -> float:
        """The median of the turns: a single turn in which the machine worked for others has no weight."""
        return median(turn.value for turn in self.turns)

    @property
    def share(self) -> float | None:
        """The share of the limit; None when that was not measured."""
        return self.value / self.limit if self.limit else None

    @property
    def cpu_seconds(self) -> float | None:
        """Processor seconds of all processes in a turn, the median; None where no work was measured."""
        return _median(turn.cpu_seconds for turn in self.turns)

    @property
    def cost(self) -> float | None:
        """Processor seconds for 1,000 units of work, the median of the turns."""
        return _median(turn.cost for turn in self.turns)

    @property
    def cost_unit(self) -> str:
        """The unit of the cost: processor seconds, for so much work."""
        return f"s/1,000 {self.work}"

    @property
    def good(self) -> bool | None:
        """Whether it keeps its floor and ceiling; None when it has neither."""
        if self.least is None and self.most is None:
            return None
        judged = self.value if self.share is None else self.share
        return (self.least is None or judged >= self.least) and (self.most is None or judged <= self.most)

    def document(self) -> dict[str, Any]:
        """Describe the figure for machines."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "of": self.of,
            "share": self.share,
            "least": self.least,
            "most": self.most,
            "good": self.good,
            "cpu_seconds": self.cpu_seconds,
            "cost": self.cost,
            "cost_unit": self.cost_unit,
            "turns": [turn.document() for turn in self.turns],
            "pace": self.speed,
            "note": self.note,
        }


def _median(found: Iterable[float | None]) -> float | None:
    known = [one for one in found if one is not None]
    return median(known) if known else None
