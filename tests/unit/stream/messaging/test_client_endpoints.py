"""The syntax of endpoints that clients connect to."""

from __future__ import annotations

import pytest

from stream.messaging.client_endpoints import parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
        ("127.0.0.1:5555", "tcp://127.0.0.1:5555"),
        ("engine.example.org:5555", "tcp://engine.example.org:5555"),
        ("[::1]:5555", "tcp://[::1]:5555"),
        ("tcp://[fe80::1%eth0]:5555", "tcp://[fe80::1%eth0]:5555"),
        ("ipc:///run/partstream/results", "ipc:///run/partstream/results"),
        ("ipc:///run/my engine/results", "ipc:///run/my engine/results"),
        ("tcp://10.0.0.2:0;10.0.0.5:5555", "tcp://10.0.0.2:0;10.0.0.5:5555"),
        ("tcp://[::1]:0;[::1]:5555", "tcp://[::1]:0;[::1]:5555"),
    ],
)
def test_an_endpoint_may_leave_out_tcp(text: str, endpoint: str) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["", "door", "127.0.0.1", "tcp://127.0.0.1", "http://127.0.0.1:5555", "::1:5555"])
def test_anything_else_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not an endpoint: use tcp://HOST:PORT, for example tcp"):
        parse_endpoint(text)


def test_the_address_of_a_fleet_is_named_as_such() -> None:
    with pytest.raises(ValueError, match=r"'fleet://h:1' is the address of a whole fleet.*give one engine's endpoint"):
        parse_endpoint("fleet://h:1")


@pytest.mark.parametrize("text", ["tcp://h:0", "h:65536", "tcp://u:hunter2@h:5555"])
def test_an_impossible_port_and_credentials_are_rejected_without_quoting_a_password(text: str) -> None:
    with pytest.raises(ValueError, match="is not an endpoint") as error:
        parse_endpoint(text)
    assert "hunter2" not in str(error.value)
