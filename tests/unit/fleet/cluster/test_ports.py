"""Whether Ray's ports are free."""

from __future__ import annotations

import socket

import pytest

from fleet.cluster import ports


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "EVERY_S", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_at_which_another_program_listens_is_in_use(host: str) -> None:
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        assert ports.in_use([port]) == [port]


def test_a_port_is_free_although_an_earlier_connection_to_it_has_not_ended_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        client = socket.create_connection(address)
        accepted, _ = server.accept()
        accepted.close()  # this side closes first, so that its end stays for a minute
        client.close()
    assert ports.in_use([address[1]]) == []


def test_a_port_that_is_given_up_soon_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(ports.time, "sleep", lambda _: server.close())
        assert ports.in_use([port]) == []
