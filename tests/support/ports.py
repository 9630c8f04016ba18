"""Ports for servers that are stopped and started again, or of which the address must be known before they start."""

from __future__ import annotations

import itertools
import os
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below the range from which the kernel picks ports (32768 and above), so that no other program gets one by chance."""
_next = itertools.count(os.getpid() * 101)


def reserved_port() -> int:
    """Return a TCP port of 127.0.0.1 at which nothing listens, and which no server with port 0 and no client gets.

    Processes side by side begin at different ports.
    """
    for number in _next:
        port = LOWEST + number % (HIGHEST - LOWEST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("unreachable")
