"""The bounded buffer between the application's threads and the one task that sends."""

from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Final

from foldline_client.items import CRASHED, CREATED, ENDED, HEARTBEAT, STATE, Item

# A session without its beginning or end is worse than a few facts over the bound: there are few, and small.
_ALWAYS: Final = frozenset((CREATED, CRASHED, ENDED))


class Buffer:
    """First in, first out, bounded in items and bytes, what is being sent included.

    When it is full new facts are refused, so that a session has one gap and not many. Events and metrics may
    fill nine tenths; the last tenth is for state patches, as a lost one leaves a state wrong for good. The
    beginning and end of sessions always fit. Heartbeats are kept apart: one for each session, the newest.
    Any thread may call any method.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._lock = RLock()
        self._items: deque[Item] = deque()
        self._heartbeats: dict[str, Item] = {}
        self._unborn: set[str] = set()  # sessions whose `created` waits here: no server knows them yet
        self._size = 0
        self._accepted = 0
        self._settled = 0
        self._watchers: list[tuple[int, Callable[[], None]]] = []

    def put(self, item: Item, *, force: bool = False) -> bool:
        """Take `item` in; False if there is no room for it. `force` is for what must not be lost."""
        with self._lock:
            if item.fact == HEARTBEAT:
                self._accepted += item.ref.id not in self._heartbeats
                self._heartbeats[item.ref.id] = item
                return True
            if not force and item.fact not in _ALWAYS and not self._fits(item):
                return False
            if item.fact == CREATED:
                self._unborn.add(item.ref.id)
            self._items.append(item)
            self._size += item.size
            self._accepted += 1
            return True

    def take(self, max_items: int, max_bytes: int) -> list[Item]:
        """Take the next facts to send, in order, then the heartbeats whose sessions exist by then."""
        batch: list[Item] = []
        size = 0
        with self._lock:
            while self._items and len(batch) < max_items:
                size += self._items[0].size
                if batch and size > max_bytes:
                    break
                batch.append(self._items.popleft())
            self._unborn -= {item.ref.id for item in batch if item.fact == CREATED}
            ready = [item for item in self._heartbeats.values() if item.ref.id not in self._unborn]
            for item in ready:
                del self._heartbeats[item.ref.id]
        return batch + ready

    def settle(self, batch: list[Item]) -> None:
        """Free the room of a batch that is answered in full, and call those that waited for it."""
        with self._lock:
            self._settled += len(batch)
            self._size -= sum(item.size for item in batch if item.fact != HEARTBEAT)
            due = [call for target, call in self._watchers if target <= self._settled]
            self._watchers = [watcher for watcher in self._watchers if watcher[0] > self._settled]
        for call in due:
            call()

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call `call` once everything taken in so far has been answered: now, or from the sending task."""
        with self._lock:
            if self._settled < self._accepted:
                self._watchers.append((self._accepted, call))
                return
        call()

    @property
    def unsettled(self) -> int:
        """The number of facts waiting or being sent."""
        return self._accepted - self._settled

    @property
    def size(self) -> int:
        """The bytes of facts waiting or being sent."""
        return self._size

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._items) or bool(self._heartbeats)

    @property
    def calm(self) -> bool:
        """Whether at least half of the buffer is free."""
        return self.unsettled * 2 <= self._max_items and self._size * 2 <= self._max_bytes

    def _fits(self, item: Item) -> bool:
        share = 1.0 if item.fact == STATE else 0.9
        return (
            self._accepted - self._settled < max(1, self._max_items * share)
            and self._size + item.size <= self._max_bytes * share
        )
