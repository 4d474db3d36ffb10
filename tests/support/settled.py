"""Whether everything that is stored has been folded."""

from nats.aio.client import Client

from consumers.reactors.liveness import LIVENESS
from foldline.settings import Settings
from line.lag import LagProbe, summed
from projections.catalogue import PROJECTIONS
from runtime.database.connections import connect


async def at_the_end(nc: Client, settings: Settings) -> bool:
    """Return whether every live read model and reactor has read all events; kept generations do not count."""
    async with await connect(settings, name="test-settled") as db:
        cursor = await db.execute("select follower, part, seqs from foldline.lease")
        rows = await cursor.fetchall()
    for follower in (*PROJECTIONS, LIVENESS):
        for stream in follower.streams:
            reached = {part: seqs.get(stream.name, 0) for who, part, seqs in rows if who == follower.name}
            if summed((await LagProbe(nc).lags(stream.name, reached)).values()).events:
                return False
    return True
