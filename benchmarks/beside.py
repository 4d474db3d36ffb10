"""Raw limits of a machine that is shared with others: measured in turns with what is a share of them."""

from collections.abc import Awaitable, Callable

from benchmarks.figures import Figures
from benchmarks.turn import Turn


class Beside:
    """A raw limit measured in turns with what is a share of it: others on the machine slow down both.

    `known`: a figure that does instead, where time matters more.
    """

    def __init__(
        self, figures: Figures, name: str, measure: Callable[[str], Awaitable[Turn]], known: str | None
    ) -> None:
        self.name = known or name
        self._known = known
        self._figures = figures
        self._measure = measure
        self._found: list[Turn] = []

    async def turn(self) -> float:
        """Once more; at least before the first and after the last turn of what it is the limit of."""
        if self._known:
            return self._figures.value(self._known) or 0.0
        self._found.append(await self._measure(self.name))
        return self._found[-1].value

    def done(self) -> None:
        """Note the figure of all turns."""
        if self._found:
            self._figures.add(self.name, self._found, "events/s")
