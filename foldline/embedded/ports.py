"""TCP ports: finding free ones, and telling which is taken."""

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
    """The address to reach a server on that listens on `host`; brackets included for IPv6."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now.

    Raises Problem if `host` is no address of this machine, PermissionError for a port only root may use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of a predecessor that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except socket.gaierror as exc:
            raise Problem(f"{host!r} is no address to listen on", "FOLDLINE_HOST") from exc
        except PermissionError:
            raise
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL:
                raise Problem(f"{host} is not an address of this machine", "FOLDLINE_HOST") from exc
            return False
    return True


def pick_port(host: str, taken: set[int] | None = None) -> int:
    """A port nobody listens on and that is not in `taken`, to which it is added; not one picked before."""
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
        raise Problem(f"port {port} is wanted for {what} and for something else", setting)
    try:
        free = is_free(host, port)
    except PermissionError as exc:
        raise Problem(f"not allowed to listen on port {port} for {what}", setting) from exc
    if not free:
        raise Problem(f"port {port} for {what} is taken on {host}", setting)
    taken.add(port)
    return port
