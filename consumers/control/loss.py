"""The loss that a rebuild would bring: it stops and asks before the new generation becomes the live one."""

from typing import Any

from nats.aio.client import Client

from line.checkpoints import Sequences
from line.lost_facts import LostFacts, event_streams, named
from line.messages import message_at
from projections.generations import Role, name_of
from projections.projection import Projection
from runtime.database.connections import Connection
from runtime.problems import Problem
from schemas.positions import Beginning


class WouldLose(Problem):
    """A rebuild would lose entities, and no retention explains it."""


async def refuse_cut(nc: Client, conn: Connection, projection: Projection[Any, Any], partitions: int) -> None:
    """Refuse a rebuild from a stream whose front is missing, before anything is folded. Raises WouldLose."""
    cuts = [one for one in await LostFacts(nc, conn, projection, partitions).cuts() if not one.carried]
    if cuts:
        raise WouldLose("; ".join(map(str, cuts)))


async def refuse_loss(
    nc: Client, conn: Connection, projection: Projection[Any, Any], partitions: int, folded: Sequences
) -> None:
    """Refuse a generation that lacks entities of the live one. Raises WouldLose.

    Nothing that the line holds up to `folded` is left to fold. An entity that the line still holds is no
    loss: the fold, perhaps of a newer version, decided so.
    """
    built = projection.in_schema(name_of(projection.name, Role.BUILDING))
    for stream, site in event_streams(projection.streams):
        ends = {part: seqs.get(stream.name, 0) for part, seqs in folded.items()}
        candidates = await built.lacking(conn, projection.name, ends, site=site)
        if lost := await LostFacts(nc, conn, projection, partitions).among(stream, candidates):
            name, whose = projection.name, named(projection.entity, stream.name, lost)
            raise WouldLose(
                f"the new generation of {name} would lose what the live one has: the line no longer holds "
                f"the first events of {whose} and no retention explains it. Restore a backup of NATS, or "
                f"give it up with `foldline rebuild {name} --accept-loss`; `foldline drop {name} building` "
                f"discards what was built"
            )


async def refuse_shorter(
    nc: Client, conn: Connection, projection: Projection[Any, Any], before: Beginning
) -> None:
    """Refuse an entity, folded anew, that begins later than `before`, or not at all. Raises WouldLose."""
    after = await projection.beginning(conn, (before.site, before.id))
    if after is not None and after.sequence <= before.sequence:
        return
    for stream, site in event_streams(projection.streams):
        if site in (None, before.site) and await message_at(nc, stream.name, before.sequence) is None:
            whose = named(projection.entity, stream.name, [before])
            raise WouldLose(
                f"the line no longer holds the first events of {whose}: its rows stay as they are. Restore a "
                f"backup of NATS, or give up what is lost with --accept-loss"
            )
