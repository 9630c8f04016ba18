"""What the kernel knows of a TCP connection."""

from __future__ import annotations

import fcntl
import socket as sockets
import struct
import termios
from dataclasses import dataclass

import zmq

SILENT_MS = 10_000
"""A connection is dead if it has not answered for this long, despite several retransmissions or probes."""
RETRANSMISSIONS, PROBES = 3, 5
"""Fewest unanswered ones of a dead connection."""
KEEPALIVE_IDLE_S, KEEPALIVE_S, KEEPALIVE_COUNT = 5, 4, 127
"""Seconds of silence before the first probe and between probes, and the number after which the kernel gives up: the
highest it allows. The watch closes dead connections long before, and ZeroMQ has read what came from them by then."""

# Of the kernel's `struct tcp_info`.
_ASKED = struct.Struct("2xBB4xI44xI")
"""Retransmissions, probes; wait until the next retransmission (µs); time since the last answer (ms)."""
_RECEIVED = struct.Struct("128xQ")
_SO_MEMINFO = 55
_DROPS = struct.Struct("32xI")
"""Of what `SO_MEMINFO` tells: segments that were dropped."""


@dataclass(frozen=True, slots=True)
class TcpState:
    """The state of a connection at one moment."""

    taken: int | None
    """Bytes that the program has read from it; None if the kernel does not tell."""
    received: int | None
    """Bytes that have come from it; None if the kernel does not tell."""
    drops: int
    """Segments that were dropped: resets, late ones, probes, and what a full buffer could not take."""
    silent_ms: int
    """Time since the other side answered."""
    answers: bool
    """Whether it answered when it was last asked."""
    dead: bool
    """Whether it was asked often and has not answered for long."""

    @classmethod
    def of(cls, connection: sockets.socket) -> TcpState | None:
        """Return its state; None if it has just ended."""
        waiting = bytearray(4)
        try:
            told = connection.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _RECEIVED.size)
            memory = connection.getsockopt(sockets.SOL_SOCKET, _SO_MEMINFO, _DROPS.size)
            fcntl.ioctl(connection, termios.FIONREAD, waiting)
        except OSError:
            return None
        taken = received = None
        if len(told) >= _RECEIVED.size:
            (received,) = _RECEIVED.unpack_from(told)
            taken = received - struct.unpack("i", waiting)[0]
        (drops,) = _DROPS.unpack_from(memory) if len(memory) >= _DROPS.size else (0,)
        retransmissions, probes, next_us, silent_ms = _ASKED.unpack_from(told)
        dead = is_dead(retransmissions, probes, next_us // 1000, silent_ms)
        return cls(taken, received, drops, silent_ms, answers=not (retransmissions or probes), dead=dead)


def is_dead(retransmissions: int, probes: int, next_ms: int, silent_ms: int) -> bool:
    """Whether a connection is dead, by its unanswered retransmissions and probes.

    `next_ms`: wait until the next retransmission. `silent_ms`: time since the last answer.
    """
    if retransmissions:  # the wait doubles each time, so it is about the time since the segment was first sent
        return retransmissions >= RETRANSMISSIONS and min(next_ms, silent_ms) >= SILENT_MS
    return silent_ms >= SILENT_MS and probes >= PROBES


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Have the kernel ask whether silent connections of a socket, not yet bound, are still there."""
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)
