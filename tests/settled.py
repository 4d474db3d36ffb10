"""Whether all followers have folded everything that is stored."""

from nats.aio.client import Client

from runtime.lag import measure, summed
from runtime.postgres import connect
from runtime.settings import Settings
from schemas.streams import STREAMS


async def at_the_end(nc: Client, settings: Settings) -> bool:
    """No follower has an event of any stream before it."""
    async with await connect(settings, name="test-settled") as db:
        cursor = await db.execute("select follower, part, seqs from foldline.lease")
        rows = await cursor.fetchall()
    for follower in {row[0] for row in rows}:
        for stream in STREAMS:
            reached = {part: seqs.get(stream.name, 0) for who, part, seqs in rows if who == follower}
            if summed((await measure(nc, stream.name, reached)).values()).events:
                return False
    return True
