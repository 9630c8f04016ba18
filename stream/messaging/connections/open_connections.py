"""The connections of a bound endpoint, as the operating system has them: which they are, and how to close one.

ZeroMQ cannot close a connection of a socket. It frees what it keeps of one whose descriptor was shut down.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

DESCRIPTORS = Path("/proc/self/fd")


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

    def descriptors(self) -> Iterator[int]:
        """Yield the descriptors of the endpoint's open connections."""
        for name in os.listdir(DESCRIPTORS):  # noqa: PTH208
            connection = self.opened(int(name))
            if connection is not None:
                connection.close()
                yield int(name)

    def close(self, descriptor: int) -> bool:
        """Shut a connection down, if it is one of the endpoint. Return whether it was."""
        connection = self.opened(descriptor)
        if connection is None:
            return False
        with connection:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has just ended
                return False
        return True

    def close_all(self) -> int:
        """Shut all connections of the endpoint down. Return how many there were."""
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


def return_memory() -> None:
    """Have the C library return freed memory to the system, which it otherwise keeps. Takes some milliseconds."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
