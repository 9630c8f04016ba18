"""The end of a ZeroMQ context, which waits for its sockets."""

from __future__ import annotations

import threading
from typing import Any

import zmq

TERMINATE_WITHIN_S = 1.2
"""Delivery takes a publisher's time. Checking clients' keys may take longer, on a disk that does not answer, and so may
finding the address of a host, while no name server answers."""


def terminated(context: zmq.Context[Any]) -> bool:
    """Terminate the context, which waits for its sockets. Return false if it takes longer than `TERMINATE_WITHIN_S`."""
    ending = threading.Thread(target=context.term, name="end of ZeroMQ", daemon=True)
    ending.start()
    ending.join(TERMINATE_WITHIN_S)
    return not ending.is_alive()
