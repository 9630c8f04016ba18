"""Ports of servers whose addresses must be known before they start."""

from __future__ import annotations

import itertools
import os
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below the range from which the kernel picks ports (32768 and above), so that no other program gets one by chance."""
OF_RAY = 32
"""Consecutive ports that Ray needs on a node."""
_next = itertools.count(os.getpid() * 101)


def reserved_port() -> int:
    """Return a TCP port of 127.0.0.1 at which nothing listens, and which no server with port 0 and no client gets.

    Processes side by side begin at different ports.
    """
    for number in _next:
        port = LOWEST + number % (HIGHEST - LOWEST)
        if _is_free("127.0.0.1", port):
            return port
    raise AssertionError("unreachable")


def consecutive_ports(count: int = OF_RAY) -> int:
    """Return the first of `count` consecutive ports that are free on all interfaces."""
    while True:
        first = reserved_port()
        if first + count < HIGHEST and all(_is_free("", port) for port in range(first, first + count)):
            for _ in range(count):
                reserved_port()
            return first


def _is_free(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True
