"""Progress of rebuilds and verifications: a bar on a terminal, lines of JSON for programs."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from consumers.control.rebuild_progress import RebuildProgress
from foldline.cli.connections import show_json

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(bar_width=None),
    TextColumn("{task.fields[numbers]}"),
)


class ProgressDisplay:
    """Shows progress for the length of a block; `report` takes each reading."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        console = Console(stderr=True, highlight=False)
        self._progress = Progress(*_COLUMNS, console=console, expand=True)
        self._task = self._progress.add_task("starting", total=None, numbers="")

    def __enter__(self) -> Self:
        if not self._as_json:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._as_json:
            self._progress.stop()

    def report(self, now: RebuildProgress) -> None:
        """Show one reading."""
        if self._as_json:
            show_json(now.as_json())
            return
        numbers = [f"{now.events:,}/{now.total:,} events"]
        if now.phase == "folding":
            numbers.append(f"{now.rate:,.0f}/s")
            numbers += [] if now.eta is None else [f"{_clock(now.eta)} left"]
        self._progress.update(
            self._task,
            description=f"{now.projection}: {now.phase}",
            completed=now.events,
            total=max(now.total, 1),
            numbers="  ".join(numbers),
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
