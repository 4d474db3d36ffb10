"""The raw limits that figures are shares of: measured at the beginning, and again beside each such figure."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from benchmarks import publishing, raw_clients
from benchmarks.child_processes import run_in_child
from benchmarks.figures import Figures
from benchmarks.raw_limit import RawLimit
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.status_line import ShowStatus
from benchmarks.turn import Turn
from benchmarks.undisturbed import measure_turns, measure_undisturbed
from runtime.settings.processes import UpSettings

READ: Final = "raw read by callback"
_PUBLISH: Final = "raw atomic batches"


async def limits(sizes: Sizes, figures: Figures, show_status: ShowStatus) -> None:
    """Raw limits of NATS and PostgreSQL"""
    few, callers = sizes.raw // 5, publishing.CALLERS
    async with servers() as config:
        for name, unit, function, count, more in (
            (_PUBLISH, "events/s", raw_clients.publish_batches, sizes.raw, {}),
            (f"{_PUBLISH} of {callers}", "events/s", raw_clients.publish_batches, few, {"size": callers}),
            (
                f"raw singles, {callers} callers",
                "events/s",
                raw_clients.publish_singles,
                few,
                {"callers": callers},
            ),
            ("raw COPY", "rows/s", raw_clients.copy_rows, sizes.raw, {}),
        ):
            show_status(name)
            once = partial(run_in_child, function, config, count=count, **more)
            found = await measure_turns(once, sizes.long_turns, sizes.tries, show_status)
            figures.add(name, [Turn.of(one) for one in found], unit, work=unit.partition("/")[0])
    figures.add(READ, await _measure_read(sizes, show_status, READ, sizes.long_turns), "events/s")


def read_limit(sizes: Sizes, figures: Figures, show_status: ShowStatus, what: str) -> RawLimit:
    """Make the limit of a figure, named `what`, that reads the line."""

    async def read(name: str) -> Turn:
        return (await _measure_read(sizes, show_status, name, 1))[0]

    return _raw_limit(sizes, figures, READ, what, read)


def publish_limit(
    config: UpSettings, sizes: Sizes, figures: Figures, show_status: ShowStatus, what: str
) -> RawLimit:
    """Make the limit of a figure, named `what`, that writes to the line of `config`."""

    async def write(name: str) -> Turn:
        show_status(name)
        once = partial(run_in_child, raw_clients.publish_batches, config, count=sizes.raw)
        return Turn.of(await measure_undisturbed(once, sizes.tries, show_status))

    return _raw_limit(sizes, figures, _PUBLISH, what, write)


def _raw_limit(
    sizes: Sizes, figures: Figures, limit: str, what: str, measure: Callable[[str], Awaitable[Turn]]
) -> RawLimit:
    return RawLimit(figures, f"{limit}, beside {what}", measure, None if sizes.thorough else limit)


async def _measure_read(sizes: Sizes, show_status: ShowStatus, name: str, turns: int) -> list[Turn]:
    # Not synced: that makes storing quick, and reading does not depend on it.
    async with servers(sync_always=False) as config:
        show_status(name)
        await run_in_child(raw_clients.store_messages, config, count=sizes.raw)
        once = partial(run_in_child, raw_clients.read_messages, config, count=sizes.raw)
        return [Turn.of(found) for found in await measure_turns(once, turns, sizes.tries, show_status)]
