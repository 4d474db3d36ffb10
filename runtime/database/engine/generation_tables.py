"""The tables that the engine keeps beside every read model; generation_tables.sql creates them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class EngineTable:
    """One table of the engine in the schema of a generation.

    `folded`: its rows come from folding events, not from creating the generation. `compared_if`: the SQL
    condition on a row `t` under which every fold of the same line gives the same row; a verification compares
    those rows alone. Its parameters are `since`, the store time from which on message ids count and are on
    the line, `latest_only`, the names of the streams that keep only the newest message of a subject, and
    `aged`, stream → the sequence before which events have left the line by their age, or may at any moment,
    and `oldest`, the smallest of these.
    """

    name: str
    folded: bool = True
    compared_if: str = "true"


ENGINE_TABLES: Final = (
    EngineTable("generation", folded=False),
    # A rejected heartbeat that a newer one replaced on the line cannot be judged again.
    EngineTable(
        "rejected",
        compared_if="t.stream <> all(%(latest_only)s)"
        " and t.seq >= coalesce((%(aged)s::json ->> t.stream)::bigint, 0)",
    ),
    # Older ids are forgotten at any time.
    EngineTable("message_id", compared_if="t.stored_at >= %(since)s and t.seq >= %(oldest)s"),
    EngineTable("parked"),
    EngineTable("parked_event"),
)
