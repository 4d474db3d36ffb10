"""The life of a process: its order, and what is closed when it cannot begin."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from runtime.problems import Problem, TemporaryProblem
from runtime.process.lifecycle import Lifecycle


class Diary:
    """A process that notes what happens."""

    def __init__(self, *, timeout: float = 5.0) -> None:
        self.life = Lifecycle(timeout=timeout)
        self.said: list[str] = []

    async def say(self, what: str) -> None:
        self.said.append(what)

    @asynccontextmanager
    async def beside(self, what: str) -> AsyncIterator[None]:
        self.said.append(f"{what} begins")
        yield
        self.said.append(f"{what} ends")

    @contextmanager
    def plain(self) -> Iterator[None]:
        self.said.append("plain begins")
        yield
        self.said.append("plain ends")


async def test_everything_begins_in_order_and_ends_in_the_opposite_one() -> None:
    diary = Diary()
    diary.life.close(lambda: diary.say("closed"))
    diary.life.begin(lambda: diary.say("connected"))
    diary.life.begin(lambda: diary.say("checked"))
    diary.life.run(diary.beside("one"))
    diary.life.run(diary.plain())
    diary.life.drain(lambda: diary.say("drained"))
    assert diary.said == []
    async with diary.life.started():
        await diary.say("serving")
    assert diary.said == [
        *("connected", "checked", "one begins", "plain begins", "serving"),
        *("plain ends", "one ends", "drained", "closed"),
    ]


async def test_a_start_that_a_server_interrupts_is_begun_again() -> None:
    diary = Diary()

    async def check() -> None:
        await diary.say("check")
        if diary.said.count("check") < 3:
            raise TemporaryProblem("not yet")

    diary.life.begin(lambda: diary.say("connect"))
    diary.life.begin(check)
    async with diary.life.started():
        assert diary.said == ["connect", "check"] * 3


async def test_a_process_that_cannot_begin_closes_and_runs_nothing() -> None:
    diary = Diary()

    async def check() -> None:
        raise Problem("wrong version")

    diary.life.close(lambda: diary.say("closed"))
    diary.life.begin(check)
    diary.life.drain(lambda: diary.say("drained"))
    diary.life.run(diary.beside("one"))
    with pytest.raises(Problem, match="wrong version"):
        async with diary.life.started():
            pytest.fail("it began")
    assert diary.said == ["closed"]
