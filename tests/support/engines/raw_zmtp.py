"""A peer that speaks ZeroMQ's protocol over a plain socket, to send what libzmq does not send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


@contextmanager
def raw_peer(endpoint: str, kind: bytes) -> Iterator[socket.socket]:
    """Connect a socket of this kind, such as `SUB`, to a TCP endpoint. It is ready to send frames."""
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as peer:
        ready = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
        peer.sendall(GREETING + b"\x04" + bytes([len(ready)]) + ready)
        peer.recv(len(GREETING), socket.MSG_WAITALL)
        _, length = peer.recv(2, socket.MSG_WAITALL)
        peer.recv(length, socket.MSG_WAITALL)
        yield peer


PING = b"\x04\x07\x04PING\x00\x00"
PONG = b"\x04\x05\x04PONG"


def send_and_reset(endpoint: str, kind: bytes, data: bytes) -> None:
    """Connect, send this, at most 8 KB, and end the connection with a reset when ZeroMQ reads it."""
    with raw_peer(endpoint, kind) as peer:
        peer.sendall(PING + data)
        peer.recv(len(PONG), socket.MSG_WAITALL)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets it
