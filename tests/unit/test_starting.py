"""Starting while servers restart: tried again within the bound, told afterwards, and nothing else hidden."""

import psycopg
import pytest
from nats.errors import NoRespondersError

from line.problems import LineProblem, StreamUnavailable
from runtime.problems import Problem
from runtime.process.starting import start_with_retry


class Begin:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "up"


@pytest.mark.parametrize(
    "failure",
    [
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.InterfaceError("the connection is closed"),
        NoRespondersError(),
        ConnectionResetError("reset by peer"),
        TimeoutError(),
        StreamUnavailable("SESSIONS", "JetStream does not answer"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_server_that_went_away_is_waited_for(failure: Exception) -> None:
    begin = Begin(failure, failure)
    assert await start_with_retry(begin, timeout=30) == "up"
    assert begin.calls == 3


async def test_the_last_failure_is_told_when_time_is_up() -> None:
    begin = Begin(psycopg.OperationalError("the server is on fire"))
    with pytest.raises(Problem, match="cannot start, tried for 0 s: the server is on fire"):
        await start_with_retry(begin, timeout=0)
    assert begin.calls == 1


@pytest.mark.parametrize("failure", [LineProblem("too old"), KeyError("bug"), FileNotFoundError("ca.pem")])
async def test_what_will_not_get_better_is_not_tried_again(failure: Exception) -> None:
    begin = Begin(failure)
    with pytest.raises(type(failure)):
        await start_with_retry(begin, timeout=30)
    assert begin.calls == 1
