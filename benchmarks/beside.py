"""Raw limits of a machine that is shared with others: measured on both sides of what is a share of them."""

from collections.abc import Awaitable, Callable

from benchmarks.figures import Figures


class Beside:
    """A raw limit measured before and after what is a share of it: others on the machine slow down both."""

    def __init__(self, figures: Figures, name: str, measure: Callable[[str], Awaitable[float]]) -> None:
        self.name = name
        self._figures = figures
        self._measure = measure
        self._before = 0.0

    async def before(self) -> float:
        """The first of the two."""
        self._before = await self._measure(f"{self.name}: before")
        return self._before

    async def after(self) -> None:
        """The second; the figure of the bare name is their mean."""
        after = await self._measure(f"{self.name}: after")
        self._figures.add(self.name, (self._before + after) / 2, "events/s")
