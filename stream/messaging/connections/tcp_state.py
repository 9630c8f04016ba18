"""What the kernel knows of a TCP connection."""

from __future__ import annotations

import fcntl
import socket as sockets
import struct
import termios
from dataclasses import dataclass

import zmq

SILENT_MS = 10_000
"""A connection is dead if it has not answered for this long, though it was asked several times."""
ASKED = 3, 2
"""How often: what was sent, and probes whether it is still there."""
KEEPALIVE_IDLE_S, KEEPALIVE_S, KEEPALIVE_COUNT = 10, 2, 60
"""When probes are sent if nothing else is. The kernel ends a connection after so many; it is closed long before."""

# Of the kernel's `struct tcp_info`.
_ASKED = struct.Struct("2xBB")
_LAST_ANSWER = struct.Struct("56xI")
_RECEIVED = struct.Struct("128xQ")


@dataclass(frozen=True, slots=True)
class TcpState:
    """The state of a connection at one moment."""

    taken: int
    """Bytes that the program has read from it."""
    dead: bool
    """Whether the other side does not answer any more: it vanished, or it ended and its reset was dropped."""

    @classmethod
    def of(cls, connection: sockets.socket) -> TcpState | None:
        """Return its state; None if it has just ended, or the kernel does not tell."""
        waiting = bytearray(4)
        try:
            told = connection.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _RECEIVED.size)
            fcntl.ioctl(connection, termios.FIONREAD, waiting)
        except OSError:
            return None
        if len(told) < _RECEIVED.size:
            return None
        (received,) = _RECEIVED.unpack_from(told)
        (silent_ms,) = _LAST_ANSWER.unpack_from(told)
        asked = _ASKED.unpack_from(told)
        dead = silent_ms > SILENT_MS and (asked[0] >= ASKED[0] or asked[1] >= ASKED[1])
        return cls(received - struct.unpack("i", waiting)[0], dead)


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Have the kernel ask whether silent connections of a socket, not yet bound, are still there."""
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)
