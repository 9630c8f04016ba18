"""The socket of a subscriber."""

from __future__ import annotations

import errno
from collections.abc import Iterable

import zmq
import zmq.asyncio

from stream.messaging.curve.keys import ClientKeys

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN))
"""Errors that say nothing of the endpoint: a later attempt can succeed."""


def connected_socket(
    context: zmq.asyncio.Context,
    endpoint: str,
    prefixes: Iterable[str],
    *,
    high_water_mark: int,
    receive_buffer: int | None,
    keys: ClientKeys | None,
) -> zmq.asyncio.Socket:
    """Return a socket that receives messages whose topic begins with one of the prefixes.

    It connects in the background, and again after a failure. `high_water_mark`: messages, and `receive_buffer`: bytes,
    that it queues. Raises `ValueError` if the endpoint or a key is not valid, and `OSError` if there can be no further
    socket now, for example because the process has too many open files.
    """
    socket: zmq.asyncio.Socket | None = None
    try:
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, high_water_mark)
        socket.setsockopt(zmq.SNDHWM, 0)  # otherwise ZeroMQ drops subscriptions beyond the first thousand
        if receive_buffer is not None:
            socket.setsockopt(zmq.RCVBUF, receive_buffer)
        if keys is not None:
            keys.protect(socket)
        if "[" in endpoint:
            socket.setsockopt(zmq.IPV6, 1)
        # Detects a host that vanished, and reconnects when it is back. With the TTL, the other side detects it too.
        socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 15000)
        socket.setsockopt(zmq.HEARTBEAT_TTL, 15000)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        for prefix in prefixes:
            socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        socket.connect(endpoint)
    except BaseException as error:
        if socket is not None:
            socket.close(linger=0)
        if not isinstance(error, zmq.ZMQError):
            raise
        if error.errno in EXHAUSTED:
            raise OSError(error.errno, f"{endpoint} can't be connected to now: {error.strerror}") from None
        raise ValueError(f"{endpoint!r} can't be subscribed to ({error}): use tcp://HOST:PORT") from None
    return socket
