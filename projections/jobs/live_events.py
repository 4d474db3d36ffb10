"""Events of jobs as they are shown live: decoded, each once, in the order of the stream."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

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


class Repetitions:
    """Finds events that the read model counts as repetitions, however long ago the first one was.

    The read model is asked for what it knows; what it may not know yet is remembered here.
    """

    def __init__(self, schema: str = PROJECTION) -> None:
        self._known = Statements("projections.jobs", schema).compose("known-ids")
        self._recent: OrderedDict[DedupKey, datetime] = OrderedDict()

    async def first_uses(self, conn: Connection, dedup_keys: Sequence[DedupKey]) -> dict[DedupKey, datetime]:
        """Return when keys were first used, as far as the read model knows."""
        asked = [{"site": site, "id": id_, "message": message} for site, id_, message in dedup_keys]
        cursor = await conn.execute(self._known, {"ids": to_json(asked).decode()}, prepare=True)
        return {(site, id_, message): at async for site, id_, message, at in cursor}

    def is_repetition(self, event: RawEvent, dedup_key: DedupKey, known: dict[DedupKey, datetime]) -> bool:
        """Whether an earlier event within the window had the same key; remembers this one."""
        first = min(self._recent.get(dedup_key, event.stored_at), known.get(dedup_key, event.stored_at))
        self._recent.setdefault(dedup_key, event.stored_at)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return first < event.stored_at and event.stored_at - first <= MESSAGE_ID_WINDOW


def live_events(events: Sequence[RawEvent]) -> list[tuple[RawEvent, LiveEvent, DedupKey | None]]:
    """Return the valid ones among some events, each as it is shown and with its deduplication key."""
    found = []
    for raw in events:
        try:
            event = decode(raw)
        except InvalidFact:
            continue
        found.append((raw, _live_event(event), dedup_key_of(raw, event.key)))
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
