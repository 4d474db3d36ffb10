"""The generated configuration of nats-server."""

from pathlib import Path

from foldline.embedded.nats import NatsServer


def test_acknowledged_means_synced_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    assert "sync_interval: always" in NatsServer(tmp_path / "nats", 1, 2).config()
    assert "sync_interval" not in NatsServer(tmp_path / "nats", 1, 2, sync_always=False).config()


def test_nothing_in_a_value_breaks_out_of_the_configuration(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / 'a "b" $HOME', 1, 2, user="u", password='p"}\nport: 3')
    config = server.config()
    assert 'password: "p\\"}\\nport: 3"' in config
    assert config.count("\nport: ") == 1


def test_addresses_name_where_servers_listen(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", 4222, 8222, host="::")
    assert (server.url, server.monitor_url) == ("nats://[::1]:4222", "http://[::1]:8222")
    assert 'http: "[::]:8222"' in server.config()
