"""The liveness reactor over plain NATS: recoveries from a hang, and machines that return."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from runtime.database.connections import Connection
from schemas.subjects import partition_of
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

HUNG, RECOVERED, CRASHED = "application_appears_hung", "application_recovered", "session_crashed_detected"
TIMEOUT = 1.0


class Scene:
    """A running engine with a short heartbeat timeout, a line and a read model."""

    def __init__(self, line: Line, model: Model) -> None:
        self.line, self.model = line, model

    async def hang(self, session_id: str) -> None:
        await self.line.put("event", session_id, {"name": HUNG})

    async def beat(self, session_id: str, *, judged: bool = True) -> None:
        sequence = await self.line.put("heartbeat", session_id)
        if judged:
            await self.model.passed(session_id, sequence, "HEARTBEATS", follower="liveness")

    async def suspended(self, session_id: str) -> dict[str, Any]:
        """Wait until it is silent for too long."""

        async def silent() -> dict[str, Any] | None:
            session = await self.model.session(session_id)
            return session if session and session["suspended"] else None

        found: dict[str, Any] = await wait_until(silent)
        return found

    async def machine_returns(self, session_id: str, body: Any) -> None:
        """A `created` fact, and the reactor has drawn its conclusions."""
        sequence = await self.line.put("created", session_id, body)
        await self.model.passed(session_id, sequence, follower="liveness")
        await self.settled()

    async def settled(self) -> None:
        """Whatever the reactor published is folded."""
        await self.model.caught_up(self.line)

    async def session(self, session_id: str) -> dict[str, Any]:
        session = await self.model.session(session_id)
        assert session
        return session


@pytest.fixture
async def scene(settings: Settings, nc: Client, db: Connection) -> AsyncIterator[Scene]:
    quick = settings.model_copy(update={"heartbeat_timeout": TIMEOUT})
    async with engine(quick):
        yield Scene(Line(nc), Model(db, timeout=TIMEOUT))


def created(machine: str | None = "m1", **body: Any) -> dict[str, Any]:
    return {"product": "P", "version": "1", "machine_id": machine} | body


async def test_a_heartbeat_ends_a_hang_once(scene: Scene) -> None:
    await scene.line.created("S1")
    await scene.hang("S1")
    for _ in range(5):
        await scene.beat("S1", judged=False)
    await scene.beat("S1")
    await scene.settled()
    assert await scene.model.events("S1") == [HUNG, RECOVERED]
    session = await scene.session("S1")
    assert session["hung"] is False
    assert session["events"][1]["level"] == "info"
    await scene.hang("S1")
    await scene.settled()
    assert (await scene.session("S1"))["hung"] is True
    await scene.beat("S1")
    await scene.settled()
    assert await scene.model.events("S1") == [HUNG, RECOVERED, HUNG, RECOVERED]


@pytest.mark.parametrize("body", [b'{"host_only":true}', b"{", b'{"host_only":"no"}'])
async def test_a_heartbeat_of_the_host_alone_ends_no_hang(scene: Scene, body: bytes) -> None:
    """Nor does one that cannot be read: it says that something sends, not that the application is well."""
    await scene.line.created("S1")
    await scene.hang("S1")
    sequence = await scene.line.put("heartbeat", "S1", body)
    await scene.model.passed("S1", sequence, "HEARTBEATS", follower="liveness")
    await scene.settled()
    assert await scene.model.events("S1") == [HUNG]
    patient = await Model(scene.model.db).session("S1")  # a busy machine is silent for longer than TIMEOUT
    assert patient
    assert patient["active"] is True
    await scene.beat("S1")
    await scene.settled()
    assert await scene.model.events("S1") == [HUNG, RECOVERED]


async def test_a_heartbeat_from_before_the_hang_does_not(scene: Scene) -> None:
    await scene.line.created("S1")
    await scene.beat("S1")
    await scene.hang("S1")
    last = await scene.line.put("event", "S1", {"name": "last"})
    await scene.model.passed("S1", last, follower="liveness")
    await scene.settled()
    assert await scene.model.events("S1") == [HUNG, "last"]
    assert (await scene.session("S1"))["hung"] is True


async def test_the_applications_own_recovery_is_enough(scene: Scene) -> None:
    await scene.line.created("S1")
    await scene.hang("S1")
    await scene.line.put("event", "S1", {"name": RECOVERED})
    await scene.beat("S1")
    await scene.settled()
    assert await scene.model.events("S1") == [HUNG, RECOVERED]


@pytest.mark.parametrize("over", ["ended", "crashed"])
async def test_a_session_that_is_over_does_not_recover(scene: Scene, over: str) -> None:
    await scene.line.created("S1")
    await scene.hang("S1")
    await scene.line.put(over, "S1")
    await scene.beat("S1")
    await scene.settled()
    assert RECOVERED not in await scene.model.events("S1")
    assert (await scene.session("S1"))["hung"] is (over == "ended")


async def test_facts_that_overtake_a_recovery_do_not_prevent_it(scene: Scene) -> None:
    await scene.line.created("S1")
    await scene.hang("S1")
    await scene.beat("S1", judged=False)
    for n in range(50):
        await scene.line.put("state", "S1", {"n": n})
        await scene.line.put("metric", "S1", b"{")  # rejected ones count on the line as well

    async def is_recovered() -> bool:
        return await scene.model.events("S1") == [HUNG, RECOVERED]

    await wait_until(is_recovered)


async def test_a_silent_session_has_crashed_when_its_machine_returns(scene: Scene) -> None:
    await scene.line.put("created", "S1", created())
    await scene.hang("S1")
    await scene.line.put("heartbeat", "S1", b"{}")
    await scene.line.put("event", "S1", {"name": HUNG})  # hung again: a crash on return keeps it
    before = await scene.suspended("S1")
    await scene.machine_returns("S2", created(product="another"))
    session = await scene.session("S1")
    assert [session[flag] for flag in ("active", "suspended", "crashed", "hung")] == [
        False,
        False,
        True,
        True,
    ]
    assert session["ended_at"] is None
    assert session["updated_at"] == before["updated_at"]
    crash = session["events"][-1]
    assert (crash["name"], crash["category"]) == (CRASHED, "")
    assert crash["data"] == {"reason": "machine_returned_session_not_resumed", "machine_id": "m1"}
    assert (await scene.session("S2"))["crashed"] is False
    await scene.machine_returns("S3", created())
    assert (await scene.session("S1"))["events"] == session["events"]


async def test_others_are_left_alone(scene: Scene) -> None:
    """Ended ones, ones without heartbeat or machine id, other machines, crashed ones, other sites."""
    machines = {
        "ended": "m1",
        "crashed": "m1",
        "no-heartbeat": "m1",
        "no-machine": None,
        "empty-machine": "",
        "other": "m2",
        "silent": "m1",
    }
    # All of them begin before the first heartbeat: none is silent while its machine begins another.
    for session_id, machine in machines.items():
        await scene.line.put("created", session_id, created(machine))
    await scene.line.put("created", "elsewhere", created(), site="fab2")
    for session_id in machines:
        if session_id != "no-heartbeat":
            await scene.beat(session_id)
    await scene.line.put("heartbeat", "elsewhere", site="fab2")
    await scene.line.put("ended", "ended")
    await scene.line.put("crashed", "crashed")
    await scene.suspended("silent")
    await scene.suspended("no-machine")
    await scene.beat("resumed")
    await scene.line.put("created", "resumed", created())
    await scene.beat("resumed", judged=False)
    await scene.machine_returns("new", created())
    crashes = [fact.subject for fact in await scene.line.stored() if fact.fact == "crashed"]
    assert sorted(crashes) == ["ev.local.session.crashed.crashed", "ev.local.session.silent.crashed"]


async def test_within_the_timeout_nothing_is_concluded(scene: Scene) -> None:
    await scene.line.put("created", "S1", created())
    await scene.line.put("heartbeat", "S1")
    await scene.machine_returns("S2", created())
    assert (await scene.session("S1"))["crashed"] is False
    # Later on neither: what counts is how things stood when the machine returned.
    await scene.suspended("S1")
    await scene.settled()
    assert (await scene.session("S1"))["crashed"] is False


@pytest.mark.parametrize(
    "rejected",
    [
        {"product": "P", "machine_id": "m1"},
        {"product": "P", "version": "1", "machine_id": "m1", "timestamp": "2999-01-01T00:00:00Z"},
    ],
)
async def test_a_rejected_created_concludes_nothing(scene: Scene, rejected: dict[str, Any]) -> None:
    await scene.line.put("created", "S1", created())
    await scene.line.put("heartbeat", "S1")
    await scene.line.put("created", "S3", created(None))
    await scene.suspended("S1")
    await scene.machine_returns("S2", rejected)
    await scene.machine_returns("S3", created())  # a second one is rejected as well
    assert (await scene.session("S1"))["crashed"] is False
    assert len(await scene.model.rejected()) == 2


async def test_conclusions_are_not_repeated(settings: Settings, nc: Client, db: Connection) -> None:
    """A reactor that starts again from the beginning of the line publishes nothing new."""
    quick = settings.model_copy(update={"heartbeat_timeout": TIMEOUT})
    line = Line(nc)
    scene = Scene(line, Model(db, timeout=TIMEOUT))
    async with engine(quick):
        for n in range(4):
            await line.put("created", f"S{n}", created())
            await scene.hang(f"S{n}")
            await scene.beat(f"S{n}")
        await scene.suspended("S3")
        await scene.machine_returns("S9", created())
    assert sum(fact.fact == "crashed" for fact in await line.stored()) == 4
    await line.forget_message_ids()  # or they would hide a repetition
    facts = await line.stored()
    await db.execute("update foldline.lease set seqs = '{}' where follower = 'liveness'")
    async with engine(quick, owner="again"):
        await scene.model.caught_up(line, "liveness")
    assert await line.stored() == facts
    assert {partition_of(f"S{n}", PARTITIONS) for n in range(4)} != {partition_of("S9", PARTITIONS)}
