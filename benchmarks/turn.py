"""One turn of a measurement: the value found, and its cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """A value, the processor seconds of all processes while it was measured, and the units of work done then.

    Without the last two there is no cost: memory, for example, is read without any work.
    """

    value: float
    cpu_seconds: float | None = None
    work: float | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any], what: str = "rate") -> "Turn":
        """Read the answer of a measuring process; `what` names the value in it."""
        return cls(answer[what], answer["cpu_seconds"], answer["work"])

    @property
    def cost(self) -> float | None:
        """Processor seconds for 1,000 units of work."""
        if self.cpu_seconds is None or not self.work:
            return None
        return self.cpu_seconds / self.work * 1e3

    def document(self) -> dict[str, float | None]:
        """Describe the turn for machines."""
        return {
            "value": self.value,
            "cpu_seconds": self.cpu_seconds,
            "work": self.work,
            "cost": self.cost,
        }
