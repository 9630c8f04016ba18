"""A subscription that can't be opened: whether it is the address's fault."""

from __future__ import annotations

import errno

import pytest
import zmq

from stream.messaging.curve.keys import ClientKeys, KeyPair
from stream.subscription.engine_subscription import Connection, EngineSubscription

GOOD = "tcp://127.0.0.1:1"


@pytest.mark.parametrize(
    "connection", [Connection("udp://x:1"), Connection(GOOD, keys=ClientKeys("x" * 30, KeyPair("y" * 40, "z" * 40)))]
)
def test_a_bad_address_or_key_is_named(connection: Connection) -> None:
    with pytest.raises(ValueError, match=f"'{connection.endpoint}' can't be subscribed to"):
        EngineSubscription(connection, ["results/v1/"]).open()


async def test_an_address_is_not_to_blame_if_there_can_be_no_further_socket() -> None:
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 1)
    first, second = (EngineSubscription(Connection(GOOD), ["results/v1/"], context=context) for _ in range(2))
    first.open()
    with pytest.raises(OSError, match=f"{GOOD} can't be connected to now: Too many open files") as caught:
        second.open()
    assert caught.value.errno == errno.EMFILE
    first.close()
    context.term()
