"""TCP ports: free ones are found, and a taken one is named."""

import socket

import pytest

from foldline.embedded.ports import claim_port, is_free, pick_port, reachable_host
from runtime.problems import Problem


def test_ports_are_free_distinct_and_below_those_of_clients() -> None:
    taken: set[int] = set()
    ports = [pick_port("127.0.0.1", taken) for _ in range(20)]
    assert len(set(ports)) == 20
    assert taken == set(ports)
    assert all(20_000 <= port < 32_000 for port in ports)


def test_a_port_is_not_picked_twice_before_its_server_listens() -> None:
    ports = [pick_port("127.0.0.1") for _ in range(300)]
    assert len(set(ports)) == 300


def test_a_taken_port_names_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(Problem, match=rf"port {port} for NATS is taken .*see FOLDLINE_NATS_PORT"):
            claim_port("127.0.0.1", port, what="NATS", setting="FOLDLINE_NATS_PORT", taken=set())


def test_one_port_cannot_serve_two() -> None:
    taken: set[int] = set()
    port = pick_port("127.0.0.1", taken)
    with pytest.raises(Problem, match="and for something else"):
        claim_port("127.0.0.1", port, what="NATS", setting="FOLDLINE_NATS_PORT", taken=taken)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_ours_is_a_problem(host: str) -> None:
    with pytest.raises(Problem, match="FOLDLINE_HOST"):
        is_free(host, 0)


@pytest.mark.parametrize(
    ("listens", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5")],
)
def test_where_a_listening_server_is_reached(listens: str, reached: str) -> None:
    assert reachable_host(listens) == reached
