"""Only connections of the endpoint are closed, whatever else has a descriptor."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stream.messaging.connections.open_connections import Connections
from support.engines.raw_zmtp import reset_when_closed


@contextmanager
def connected(
    family: int, address: tuple[str, int] | str
) -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    """Yield a listening socket, a client and the server's side of its connection."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(family))
        listening.bind(address)
        listening.listen()
        client = stack.enter_context(socket.socket(family))
        client.connect(listening.getsockname())
        yield listening, client, stack.enter_context(listening.accept()[0])


@pytest.mark.parametrize("kind", ["tcp", "ipc", "abstract"])
def test_a_connection_of_the_endpoint_is_closed_and_nothing_else(tmp_path: Path, kind: str) -> None:
    name = str(tmp_path / "socket")
    family, address = {
        "tcp": (socket.AF_INET, ("127.0.0.1", 0)),
        "ipc": (socket.AF_UNIX, name),
        "abstract": (socket.AF_UNIX, "\0" + name),
    }[kind]
    with (
        connected(family, address) as (listening, client, served),
        connected(socket.AF_INET, ("127.0.0.1", 0)) as other,
    ):
        endpoint = f"tcp://0.0.0.0:{listening.getsockname()[1]}" if kind == "tcp" else f"ipc://{name}"
        connections = Connections(endpoint.replace("ipc://", "ipc://@") if kind == "abstract" else endpoint)
        with (tmp_path / "file").open("w") as file:
            others = [listening, client, *other]
            assert [connections.close(one.fileno()) for one in others] == [False] * 5
            assert not connections.close(file.fileno())
        client.send(b"before")
        assert connections.close(served.fileno())
        if kind == "tcp":
            client.send(b"after")
        assert served.recv(1) == b""
        other[1].send(b"x")
        assert other[2].recv(1) == b"x"


def test_a_later_connection_with_the_same_descriptor_is_another_one() -> None:
    with connected(socket.AF_INET, ("127.0.0.1", 0)) as (listening, _, served):
        connections = Connections(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        before = connections.identity(served.fileno())
        with connected(socket.AF_INET, ("127.0.0.1", 0)) as (_, _, later):
            os.dup2(later.fileno(), served.fileno())
            assert connections.identity(served.fileno()) not in (before, None)
        served.close()
        assert connections.identity(10**6) is None


def test_all_connections_of_the_endpoint_are_closed_together() -> None:
    with (
        connected(socket.AF_INET, ("127.0.0.1", 0)) as (listening, _, served),
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as other,
    ):
        connections = Connections(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        assert len(list(connections.descriptors())) == 2
        connections.close_all()
        assert served.recv(1) == other.recv(1) == b""


def test_a_reset_does_not_arrive_at_a_protected_connection_but_what_was_sent_before_does() -> None:
    with connected(socket.AF_INET, ("127.0.0.1", 0)) as (listening, client, served):
        connections = Connections(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        connections.protect()
        client.send(b"x")
        reset_when_closed(client)
        client.close()
        assert served.recv(1) == b"x"
        served.setblocking(False)
        with pytest.raises(BlockingIOError):
            served.recv(1)
