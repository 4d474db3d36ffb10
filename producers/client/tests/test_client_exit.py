"""What a process leaves behind: at its exit, and in its forked children."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from client_http_server import HttpServer
from client_nats_server import NatsServer

CLIENT = Path(__file__).parent.parent


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CLIENT), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_it_needs_nothing_of_the_server() -> None:
    script = """
        import sys
        import foldline_client
        ours = {"schemas", "runtime", "projections", "producers", "consumers", "api", "foldline", "pydantic"}
        sys.exit(" ".join(ours & {name.partition(".")[0] for name in sys.modules}) or 0)
    """
    done = run(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_without_an_end_is_still_sent(nats_server: NatsServer) -> None:
    script = """
        import sys
        from foldline_client import create_session
        def main():
            session = create_session(sys.argv[1], "App", "1", exit_timeout=10)
            for n in range(100):
                session.log_event("e", data={"n": n})
        main()
    """
    done = run(script, nats_server.url.replace("127.0.0.1", "localhost"))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(nats_server.messages()) == 101


def test_the_exit_waits_only_so_long_and_says_what_is_lost(bare_nats: NatsServer) -> None:
    script = """
        import sys
        from foldline_client import create_session
        session = create_session(sys.argv[1], "App", "1", exit_timeout=0.2)
        session.log_event("e")
    """
    started = time.monotonic()
    done = run(script, bare_nats.url)
    assert time.monotonic() - started < 20
    assert done.returncode == 0
    assert "2 facts are lost with the process" in done.stderr


def test_an_event_loop_that_ends_says_what_is_lost(bare_http: HttpServer) -> None:
    script = """
        import asyncio, sys
        from foldline_client import create_async_session
        async def main():
            session = await create_async_session(sys.argv[1], "App", "1")
            await asyncio.sleep(0.1)
        asyncio.run(main())
    """
    done = run(script, bare_http.url)
    assert done.returncode == 0
    assert "1 facts were not delivered" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_records_on_its_own(nats_server: NatsServer) -> None:
    script = """
        import os, sys, warnings
        from foldline_client import create_session
        session = create_session(sys.argv[1], "App", "1")
        session.log_event("parent", data={"n": 0})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            session.log_event("child", data={"n": 1})
            session.heartbeat()
            os._exit(0 if session.flush(10) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        session.log_event("parent", data={"n": 2})
        assert session.end(10)
    """
    done = run(script, nats_server.url)
    assert (done.returncode, done.stderr) == (0, "")
    found = [body["data"]["n"] for _, body, _ in nats_server.messages() if "name" in body]
    assert sorted(found) == [0, 1, 2]
    assert len({headers["Nats-Msg-Id"] for _, _, headers in nats_server.messages()}) == 5
