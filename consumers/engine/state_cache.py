"""The state cache: entity states between two batches, so that what was folded last is not read again."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic

from projections.projection import State, StateKey

_STATES: Final = 40_000
_WEIGHT: Final = 64 << 20


class StateCache(Generic[State]):
    """Keeps the states used last, bounded in number and by `weigh`, which tells bytes.

    None stands for an entity that is known to have no state yet.
    """

    def __init__(self, weigh: Callable[[State], int]) -> None:
        self._weigh = weigh
        self._states: OrderedDict[StateKey, State | None] = OrderedDict()
        self._weight = 0

    def get_many(self, keys: Iterable[StateKey]) -> dict[StateKey, State | None]:
        """The states that are cached, by key."""
        states = self._states
        return {key: states[key] for key in keys if key in states}

    def keep(self, used: Mapping[StateKey, State | None]) -> None:
        """Keep these; the ones used longest ago may have to go for them."""
        states, weigh = self._states, self._weigh
        for key, state in used.items():
            if (before := states.get(key)) is not None:
                self._weight -= weigh(before)
            if state is not None:
                self._weight += weigh(state)
            states[key] = state
            states.move_to_end(key)
        while len(states) > _STATES or self._weight > _WEIGHT:
            _, state = states.popitem(last=False)
            if state is not None:
                self._weight -= weigh(state)

    def clear(self) -> None:
        """Forget all of them: none may be right any more."""
        self._states.clear()
        self._weight = 0
