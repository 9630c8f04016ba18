"""The connections of a bound endpoint, as the operating system has them: which they are, and how to close one.

ZeroMQ cannot close a connection of a socket. But once no more data can arrive, it reads the rest and closes it.

libzmq 4.3 ends the process (`!_io_error`, https://github.com/zeromq/libzmq/issues/4841) if a connection is reset, times
out, or is shut down in both directions, while its queue is full and a heartbeat follows. So resets must not arrive, the
kernel must keep a connection until all is read, and connections are shut down in one direction only. On `ipc://` there
are no resets, but a connection ends at once when the client closes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import stat
import struct
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

from stream.messaging.connections.tcp_state import TcpState
from stream.packet_filter import DROP_DATA, DROP_RESETS

DESCRIPTORS = Path("/proc/self/fd")
CHUNK, CHUNKS = 64 << 10, 64
"""Bytes read at a time, and how often: together more than the kernel keeps for a connection."""


class Connections:
    """The connections of `endpoint`, with its real port."""

    def __init__(self, endpoint: str) -> None:
        transport, _, address = endpoint.partition("://")
        self._index = 1 if transport == "tcp" else slice(None)
        self._local: object = int(address.rpartition(":")[2]) if transport == "tcp" else address
        if address.startswith("@"):  # a name of Linux without a file
            self._local = b"\0" + address[1:].encode()

    def identity(self, descriptor: int) -> int | None:
        """Return a number that a later connection with this descriptor does not have; None if it is no connection."""
        try:
            status = os.fstat(descriptor)
        except OSError:
            return None
        return status.st_ino if stat.S_ISSOCK(status.st_mode) else None

    def peer(self, descriptor: int, identity: int) -> str:
        """Return the address of the other side of a TCP connection; nothing if it has just ended."""
        connection = self.opened(descriptor, identity)
        if connection is None:
            return ""
        with connection, contextlib.suppress(OSError):
            return str(connection.getpeername()[0])
        return ""

    def state(self, descriptor: int, identity: int | None = None) -> TcpState | None:
        """Return the state of one of the endpoint's TCP connections; None for others, or if it has just ended."""
        connection = self.opened(descriptor, identity)
        if connection is None:
            return None
        with connection:
            return None if connection.family == socket.AF_UNIX else TcpState.of(connection)

    def waiting(self, descriptor: int) -> int:
        """Return the bytes that have come over a connection and that ZeroMQ has not taken yet; 0 if it has ended."""
        connection = self.opened(descriptor)
        if connection is None:
            return 0
        with connection, contextlib.suppress(OSError):
            waiting = fcntl.ioctl(connection, termios.FIONREAD, bytes(4))
            return int.from_bytes(waiting, sys.byteorder)
        return 0

    def answers(self, descriptor: int) -> bool:
        """Whether the client answered the last probe or segment; true if unknown."""
        state = self.state(descriptor)
        return state is None or state.answers

    def descriptors(self) -> Iterator[int]:
        """Yield the descriptors of the endpoint's open connections."""
        for name in os.listdir(DESCRIPTORS):  # noqa: PTH208
            connection = self.opened(int(name))
            if connection is not None:
                connection.close()
                yield int(name)

    def protect(self) -> None:
        """Drop resets of TCP connections that are already open. Later ones inherit the listener's filter."""
        for descriptor in self.descriptors():
            connection = self.opened(descriptor)
            if connection is not None:
                with connection, contextlib.suppress(OSError):
                    DROP_RESETS.attach(connection)

    def close(self, descriptor: int, identity: int | None = None) -> bool:
        """Have ZeroMQ close a connection, if it is one of the endpoint. Return whether it was.

        Nothing more arrives, and what waits to be read or sent is discarded.
        """
        connection = self.opened(descriptor, identity)
        if connection is None:
            return False
        with connection:
            try:
                if connection.family != socket.AF_UNIX:
                    with contextlib.suppress(OSError):  # without it, ZeroMQ closes only when the client pauses
                        DROP_DATA.attach(connection)
                    # Otherwise the kernel would try to send for minutes, because the answer, a reset, is dropped.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RD)
                _discard(connection)
            except OSError:  # it has just ended
                return False
        return True

    def close_all(self) -> int:
        """Have ZeroMQ close all connections of the endpoint. Return how many there were."""
        return sum(map(self.close, self.descriptors()))

    def opened(self, descriptor: int, identity: int | None = None) -> socket.socket | None:
        """Return a duplicate of a connection, to be closed; None if it is not of the endpoint, or is another one."""
        if self.identity(descriptor) is None:
            return None
        try:
            connection = socket.socket(fileno=os.dup(descriptor))
        except OSError:  # it has just ended, or is of another kind
            return None
        try:
            connection.getpeername()  # a bound socket has none
            if (
                identity in (None, self.identity(connection.fileno()))
                and connection.getsockname()[self._index] == self._local
            ):
                return connection
        except (OSError, IndexError):
            pass
        connection.close()
        return None


def _discard(connection: socket.socket) -> None:
    """Read what has arrived. ZeroMQ would take all of it before it closes the connection."""
    buffer = bytearray(CHUNK)
    with contextlib.suppress(BlockingIOError):
        for _ in range(CHUNKS):
            if not connection.recv_into(buffer, 0, socket.MSG_DONTWAIT):
                return


def return_memory() -> None:
    """Have the C library return freed memory to the system, which it otherwise keeps. Takes some milliseconds."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
