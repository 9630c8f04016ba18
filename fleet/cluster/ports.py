"""Whether another program has a port that Ray needs on this node."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable

TRIES, EVERY_S = 20, 0.1
"""For 2 s: a process that was just killed may have its ports for a moment."""


def in_use(ports: Iterable[int]) -> list[int]:
    """Return the ports at which another program listens, at any IPv4 address of this machine. May block for 2 s."""
    taken = list(ports)
    for attempt in range(TRIES):
        if taken and attempt:
            time.sleep(EVERY_S)
        taken = [port for port in taken if not _is_free(port)]
    return taken


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has ended is no obstacle
        try:
            trial.bind(("", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True
