"""A subscriber's socket that can't be opened: whether it is the address's fault, and that nothing is left open."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys, KeyPair
from stream.messaging.subscriber_socket import connected_socket
from support.waiting import until

GOOD = "tcp://127.0.0.1:1"


@pytest.fixture
def context() -> Iterator[zmq.asyncio.Context]:
    """Yield a context for one socket."""
    made = zmq.asyncio.Context()
    made.set(zmq.MAX_SOCKETS, 1)
    yield made
    made.destroy(linger=0)


def connect(context: zmq.asyncio.Context, endpoint: str, keys: ClientKeys | None = None) -> zmq.asyncio.Socket:
    return connected_socket(context, endpoint, ["results/v1/"], high_water_mark=10, receive_buffer=None, keys=keys)


async def test_a_socket_that_cannot_be_connected_is_closed(context: zmq.asyncio.Context) -> None:
    bad_key = ClientKeys("x" * 30, KeyPair("y" * 40, "z" * 40))
    refused: list[str] = []

    def opened(endpoint: str, keys: ClientKeys | None = None) -> bool:
        """Whether there was room for the socket. ZeroMQ's own thread makes it, some time after a socket was closed."""
        try:
            connect(context, endpoint, keys).close(linger=0)
        except ValueError as error:
            refused.append(str(error))
        except OSError:
            return False
        return True

    for _ in range(3):
        await until(lambda: opened("udp://x:1"))
        await until(lambda: opened(GOOD, bad_key))
    await until(lambda: opened(GOOD))
    assert len(refused) == 6
    assert all("can't be subscribed to" in text for text in refused)
    assert all("'udp://x:1'" in text for text in refused[::2])


def test_an_address_is_not_to_blame_if_there_can_be_no_further_socket(context: zmq.asyncio.Context) -> None:
    with connect(context, GOOD):
        with pytest.raises(OSError, match=f"{GOOD} can't be connected to now: Too many open files") as caught:
            connect(context, GOOD)
        assert caught.value.errno == errno.EMFILE
