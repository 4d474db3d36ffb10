"""A raw limit measured in turns with the figure that is a share of it: others may share the machine."""

from collections.abc import Awaitable, Callable

from benchmarks.figures import Figures
from benchmarks.turn import Turn


class RawLimit:
    """A raw limit beside one figure: whatever slows down the machine meanwhile slows down both.

    `known`: the name of a figure that serves instead, where time matters more.
    """

    def __init__(
        self, figures: Figures, name: str, measure: Callable[[str], Awaitable[Turn]], known: str | None
    ) -> None:
        self.name = known or name
        self._known = known
        self._figures = figures
        self._measure = measure
        self._turns: list[Turn] = []

    async def measure(self) -> float:
        """Measure one turn; at least one is due before the figure's first turn and one after its last."""
        if self._known:
            return self._figures.value(self._known) or 0.0
        self._turns.append(await self._measure(self.name))
        return self._turns[-1].value

    def add_figure(self) -> None:
        """Add the limit to the figures of the run, with all its turns."""
        if self._turns:
            self._figures.add(self.name, self._turns, "events/s")
