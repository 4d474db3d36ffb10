"""TCP ports: free ones are found, and taken ones are named."""

import errno
import itertools
import os
import socket

from runtime.problems import Problem

# Below the range systems pick client ports from: a client that reconnects to a stopped server on such a port
# can otherwise be given that very port and talk to itself.
_RANGE = range(20_000, 32_000)

# A port is free until its server listens, so picking at random gives one port twice before long. Each process
# goes through the range once, from a place of its own: a stride of the golden section keeps neighbours, whose
# process ids are close, as far apart as can be.
_STRIDE = 7_417
_picks = itertools.count(os.getpid() * _STRIDE)


def reachable_host(host: str) -> str:
    """The address at which a server that listens on `host` is reached; IPv6 in brackets."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now.

    Raises Problem if `host` is no address of this machine, PermissionError for a port only root may use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Like the servers: connections of a predecessor that linger in TIME_WAIT do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except socket.gaierror as exc:
            raise Problem(f"{host!r} is not an address to listen on", "FOLDLINE_HOST") from exc
        except PermissionError:
            raise
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL:
                raise Problem(f"{host} is not an address of this machine", "FOLDLINE_HOST") from exc
            return False
    return True


def pick_port(host: str, taken: set[int] | None = None) -> int:
    """A free port, not in `taken` and not picked before; it is added to `taken`. Raises Problem."""
    taken = set() if taken is None else taken
    for _ in _RANGE:
        port = _RANGE[next(_picks) % len(_RANGE)]
        if port not in taken and is_free(host, port):
            taken.add(port)
            return port
    raise Problem(f"no free port on {host}", "FOLDLINE_HOST")


def claim_port(host: str, port: int, *, what: str, setting: str, taken: set[int]) -> int:
    """`port` itself if it is free, a free one for 0. Raises Problem that names `what` and its setting."""
    if port == 0:
        return pick_port(host, taken)
    if port in taken:
        raise Problem(f"port {port} is wanted for {what} and for something else: choose another", setting)
    try:
        free = is_free(host, port)
    except PermissionError as exc:
        raise Problem(
            f"not allowed to listen on port {port} for {what}: choose one above 1023", setting
        ) from exc
    if not free:
        raise Problem(f"port {port} for {what} is taken on {host}: choose another, or 0 for any", setting)
    taken.add(port)
    return port
