"""Events of jobs as they are shown live: decoded, each once, in the order of the stream."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, cast

from pydantic_core import to_json

from line.raw_event import RawEvent
from projections.dedup_key import MESSAGE_ID_WINDOW, DedupKey, dedup_key_of
from projections.jobs.render import served_live_event
from projections.jobs.views import PROJECTION
from projections.recorded import Recorded, decode
from projections.statements import Statements
from runtime.database.connections import Connection
from schemas.jobs.facts import JobFact
from schemas.validation import InvalidFact

_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event: its place in the stream, what readers may filter by, and the JSON they get."""

    sequence: int
    site: str
    type: str
    app_id: str
    app_name: str
    kind: str
    job_id: str
    data: bytes


class Place(NamedTuple):
    """The place of an event in its stream, and when it was stored there."""

    sequence: int
    stored_at: datetime


class Repetitions:
    """Finds events whose deduplication key is taken, however long ago: the read model counts none of them.

    The read model is asked for what it knows; what it may not know yet is remembered here.
    """

    def __init__(self, schema: str = PROJECTION) -> None:
        self._known = Statements("projections.jobs", schema).compose("known-ids")
        self._recent: OrderedDict[DedupKey, Place] = OrderedDict()

    async def uses(self, conn: Connection, dedup_keys: Sequence[DedupKey]) -> dict[DedupKey, Place]:
        """Return the places of the events that use keys, as far as the read model knows."""
        asked = [{"site": site, "id": id_, "message": message} for site, id_, message in dedup_keys]
        cursor = await conn.execute(self._known, {"ids": to_json(asked).decode()}, prepare=True)
        return {(site, id_, message): Place(*place) async for site, id_, message, *place in cursor}

    def is_repetition(self, event: RawEvent, dedup_key: DedupKey, known: dict[DedupKey, Place]) -> bool:
        """Whether an earlier event within the window uses the key; remembers one that repeats none."""
        places = [self._recent.get(dedup_key), known.get(dedup_key)]
        before = max((one for one in places if one and one.sequence < event.sequence), default=None)
        if before is not None and event.stored_at - before.stored_at <= MESSAGE_ID_WINDOW:
            return True
        self._recent[dedup_key] = Place(event.sequence, event.stored_at)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return False


def live_events(events: Sequence[RawEvent]) -> list[tuple[RawEvent, LiveEvent, DedupKey | None]]:
    """Return the valid ones among some events, each as it is shown and with its deduplication key."""
    found = []
    for raw in events:
        try:
            event = decode(raw)
        except InvalidFact:
            continue
        found.append((raw, _live_event(event), dedup_key_of(raw, event)))
    return found


def _live_event(event: Recorded) -> LiveEvent:
    body = cast(JobFact, event.body)
    site, job_id = event.key
    return LiveEvent(
        event.sequence,
        site,
        body.type,
        body.app_id,
        body.app_name,
        body.kind,
        job_id,
        to_json(served_live_event(event, body)),
    )
