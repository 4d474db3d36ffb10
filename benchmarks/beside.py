"""Raw limits of a machine that is shared with others: measured on both sides of what is a share of them."""

from collections.abc import Awaitable, Callable

from benchmarks.figures import Figures


class Beside:
    """A raw limit measured before and after what is a share of it: others on the machine slow down both.

    `known`: a figure that does instead, where time matters more.
    """

    def __init__(
        self, figures: Figures, name: str, measure: Callable[[str], Awaitable[float]], known: str | None
    ) -> None:
        self.name = known or name
        self._known = known
        self._figures = figures
        self._measure = measure
        self._before = 0.0

    async def before(self) -> float:
        """The first of the two."""
        if self._known:
            return self._figures.value(self._known) or 0.0
        self._before = await self._measure(f"{self.name}: before")
        return self._before

    async def after(self) -> None:
        """The second; the figure of the bare name is their mean."""
        if self._known:
            return
        after = await self._measure(f"{self.name}: after")
        self._figures.add(self.name, (self._before + after) / 2, "events/s")
