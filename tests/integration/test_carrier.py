"""The carrier: a fact that the bus cannot take is set aside, and holds nobody up."""

from datetime import UTC, datetime
from pathlib import Path

from producers.checked import checked_fact
from producers.publisher import Publisher
from producers.sidecar.carrier import Carrier
from producers.sidecar.spool import Spool
from runtime.bus import close_bus, connect_bus
from runtime.settings import Settings
from schemas.facts import Fact
from schemas.subjects import Subject
from tests.line import Line
from tests.waiting import wait_until


def fact(number: int) -> Fact:
    subject = Subject("local", "session", f"S{number % 3}", "event")
    return checked_fact(subject, b'{"name":"e%d"}' % number, key=f"k{number}", now=datetime.now(UTC))


async def test_what_the_bus_cannot_take_is_set_aside(settings: Settings, tmp_path: Path) -> None:
    nc = await connect_bus(settings, name="test", publisher=True)
    publisher = Publisher(nc, partitions=settings.partitions)
    spool = Spool(tmp_path, max_facts=100, max_bytes=1 << 20)
    await spool.open()
    carrier = Carrier(spool, lambda: publisher)
    broken = fact(4)._replace(headers={"Broken": "a\nline"})
    facts = [fact(number) if number != 4 else broken for number in range(9)]
    async with carrier.run():
        assert await carrier.accept(facts) == ["spooled"] * 9
        await wait_until(lambda: not spool.depth.facts)
        assert await carrier.accept([fact(9)]) == ["forwarded"]
    assert spool.depth.poison == 1
    await spool.close()
    stored = [one.body for one in await Line(nc).stored()]
    assert sorted(stored) == [fact(number).body for number in range(10) if number != 4]
    await publisher.aclose()
    await close_bus(nc)
