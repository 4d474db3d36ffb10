"""`foldline up` with stand-ins for the workers, as a program that tests can signal and kill.

Arguments: data directory, then flags. `api-fails`: the API ends at once. `deaf`: consumers ignore SIGTERM.
`ephemeral`: as the option. Settings come from FOLDLINE_* as ever. Prints the stack in one line when ready.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from foldline.embedded.running_stack import Stack
from foldline.settings import Settings
from foldline.up import up
from runtime.problems import Problem

API = """
import os, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["FOLDLINE_API_PORT"])), Handler).serve_forever()
"""
SIDECAR = API.replace("API_PORT", "SIDECAR_PORT")
API_FAILS = "import sys; sys.exit('the reason is in the log')"
CONSUMER = """
import os, signal, socket, sys, urllib.parse
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
signal.sigwait([signal.SIGTERM])
bus = urllib.parse.urlsplit(os.environ["FOLDLINE_NATS_URL"])
socket.create_connection((bus.hostname, bus.port), timeout=2).close()
query = urllib.parse.parse_qs(urllib.parse.urlsplit(os.environ["FOLDLINE_DATABASE_URL"]).query)
socket.socket(socket.AF_UNIX).connect(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")
print("drained while both servers answered")
"""
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
)


def main() -> int:
    """Run `foldline up`; a Problem is one line and exit code 1."""
    folder, *flags = sys.argv[1:]

    def ready(stacks: Sequence[Stack], directory: Path) -> None:
        sys.stdout.write(json.dumps(stacks[0].as_json()) + f"\n{directory}\n")
        sys.stdout.flush()

    try:
        up(
            Settings(data_dir=Path(folder)),
            ephemeral="ephemeral" in flags,
            say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201
            ready=ready,
            commands={
                "api": ("-c", API_FAILS if "api-fails" in flags else API),
                "sidecar": ("-c", SIDECAR),
                "consumer": ("-c", DEAF if "deaf" in flags else CONSUMER),
            },
        )
    except Problem as problem:
        sys.stderr.write("\n".join([f"foldline: {problem}", *problem.details]) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
