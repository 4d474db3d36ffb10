"""What others are a share of: the raw limits, in the beginning and beside what is compared with them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from benchmarks import publishing, raw
from benchmarks.beside import Beside
from benchmarks.children import in_child
from benchmarks.figures import Figures
from benchmarks.say import Say
from benchmarks.servers import servers
from benchmarks.sizes import Sizes
from benchmarks.turn import Turn
from benchmarks.undisturbed import repeated, undisturbed
from runtime.settings import Settings

READ: Final = "raw read by callback"
_PUBLISH: Final = "raw atomic batches"


async def limits(sizes: Sizes, figures: Figures, say: Say) -> None:
    """Raw limits of NATS and PostgreSQL"""
    few, callers = sizes.raw // 5, publishing.CALLERS
    async with servers() as config:
        for name, unit, function, count, more in (
            (_PUBLISH, "events/s", raw.publish, sizes.raw, {}),
            (f"{_PUBLISH} of {callers}", "events/s", raw.publish, few, {"size": callers}),
            (f"raw singles, {callers} callers", "events/s", raw.single, few, {"callers": callers}),
            ("raw COPY", "rows/s", raw.copy, sizes.raw, {}),
        ):
            say(name)
            once = partial(in_child, function, config, count=count, **more)
            found = await repeated(once, sizes.long_turns, sizes.tries, say)
            figures.add(name, [Turn.of(one) for one in found], unit, work=unit.partition("/")[0])
    figures.add(READ, await _read(sizes, say, READ, sizes.long_turns), "events/s")


def reading(sizes: Sizes, figures: Figures, say: Say, what: str) -> Beside:
    """The limit of whatever reads the line."""

    async def read(name: str) -> Turn:
        return (await _read(sizes, say, name, 1))[0]

    return _beside(sizes, figures, READ, what, read)


def writing(config: Settings, sizes: Sizes, figures: Figures, say: Say, what: str) -> Beside:
    """The limit of whatever writes to the line of `config`."""

    async def write(name: str) -> Turn:
        say(name)
        once = partial(in_child, raw.publish, config, count=sizes.raw)
        return Turn.of(await undisturbed(once, sizes.tries, say))

    return _beside(sizes, figures, _PUBLISH, what, write)


def _beside(
    sizes: Sizes, figures: Figures, limit: str, what: str, measure: Callable[[str], Awaitable[Turn]]
) -> Beside:
    return Beside(figures, f"{limit}, beside {what}", measure, None if sizes.thorough else limit)


async def _read(sizes: Sizes, say: Say, name: str, turns: int) -> list[Turn]:
    # Not synced only to have something to read quickly: what is read does not depend on that.
    async with servers(sync_always=False) as config:
        say(name)
        await in_child(raw.stored, config, count=sizes.raw)
        once = partial(in_child, raw.read, config, count=sizes.raw)
        return [Turn.of(found) for found in await repeated(once, turns, sizes.tries, say)]
