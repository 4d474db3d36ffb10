"""The reactors of one process: registered with its broker, made from its connections, and run."""

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from faststream.nats import NatsBroker

from consumers.engine.handler import Handler
from consumers.reactors.declaration import Act, Following, Periodic, Reactor, Resources, Task
from consumers.reactors.following import FollowingHandler
from consumers.reactors.outcomes import Outcomes
from consumers.reactors.periodic import try_run
from consumers.reactors.task import subscribe_task
from consumers.reactors.upkeep import EVERY_S, Upkeep
from runtime.process.repeating import repeating


class ProcessReactors:
    """The reactors that a process runs, such as those that its settings enable."""

    def __init__(self, reactors: Collection[Reactor]) -> None:
        self._following = [one for one in reactors if isinstance(one, Following)]
        self._tasks = [one for one in reactors if isinstance(one, Task)]
        self._periodic = [one for one in reactors if isinstance(one, Periodic)]
        self._outcomes = Outcomes([reactor.name for reactor in reactors])
        self._acts: dict[str, Act] = {}

    def subscribe(self, broker: NatsBroker) -> None:
        """Register the task reactors; the broker must not start before `running` is entered."""
        for task in self._tasks:
            subscribe_task(broker, task, partial(self._acts.__getitem__, task.name), self._outcomes)

    def handlers(self, resources: Resources) -> list[Handler]:
        """Make the handlers of the following reactors."""
        return [FollowingHandler(one, one.make(resources), self._outcomes) for one in self._following]

    async def prepare(self, resources: Resources) -> None:
        """Make the task reactors and their durables. Raises StreamUnavailable, psycopg.Error."""
        self._acts.update({task.name: task.make(resources) for task in self._tasks})
        await self._upkeep(resources).run()

    @asynccontextmanager
    async def running(self, resources: Resources) -> AsyncIterator[None]:
        """Look after durables, and run the periodic reactors, as long as the block lasts."""
        upkeep = self._upkeep(resources)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(repeating(upkeep.try_run, every=EVERY_S, first=EVERY_S))
            for one in self._periodic:
                run = partial(try_run, resources.settings, one.name, one.make(resources), self._outcomes)
                await stack.enter_async_context(repeating(run, every=one.period_s, first=one.period_s))
            yield

    def _upkeep(self, resources: Resources) -> Upkeep:
        return Upkeep(self._tasks, resources.nc, resources.pool, self._outcomes)
