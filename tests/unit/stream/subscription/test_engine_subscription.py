"""A subscription that can't be opened, and one whose state is asked for while messages arrive."""

from __future__ import annotations

import asyncio
import errno

import msgspec
import pytest
import zmq

from stream.messaging.curve.keys import ClientKeys, KeyPair
from stream.subscription.engine_subscription import Connection, EngineSubscription
from support.engines.wire_messages import status

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


async def test_a_message_that_arrives_while_the_loop_is_busy_is_handed_out_although_it_was_asked_for_drained() -> None:
    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        async with EngineSubscription(Connection(f"tcp://127.0.0.1:{port}"), ["status/v1/"]) as subscription:
            waiting = asyncio.create_task(anext(subscription))
            await asyncio.to_thread(publisher.recv)  # it has subscribed
            assert subscription.drained
            body = msgspec.json.encode(msgspec.structs.replace(status(), run="0" * 32))
            publisher.send_multipart([b"status/v1/lobby/", body])
            while subscription.drained:  # without an await: the loop learns of nothing
                pass
            assert (await waiting).camera == "lobby"
