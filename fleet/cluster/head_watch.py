"""Whether the head's GCS, Ray's own server, accepts connections. Without Ray.

A driver that is connected to a GCS keeps a core busy with new attempts while that is away (Ray 2.60). So it ends then,
and the next one connects when the GCS is back. A node that tries to join meanwhile takes CPU time too, and may notice
only half a minute later that the GCS is back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time

logger = logging.getLogger(__name__)

EVERY_S = 1.0
CONNECT_WITHIN_S = 2.0
AWAY_AFTER = 3
"""Attempts in a row that must fail before it counts as away: it may be slow for once."""
EXIT_AWAY = 1


def accepts(address: str) -> bool:
    """Return whether a connection to `host:port` is accepted. An IPv6 host may be in brackets."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_WITHIN_S).close()
    except OSError:
        return False
    return True


async def accepting(address: str) -> None:
    """Wait until a connection to `host:port` is accepted, without a limit."""
    waits = False
    while not await asyncio.to_thread(accepts, address):
        if not waits:
            logger.info("waits for Ray at %s", address)
        waits = True
        await asyncio.sleep(EVERY_S)


def exit_without(address: str) -> None:
    """End this process, from a thread of its own, as soon as `host:port` has refused `AWAY_AFTER` attempts.

    The main thread may wait for an answer of Ray then, so that it cannot be asked to end.
    """
    threading.Thread(target=_watch, args=(address,), name="head watch", daemon=True).start()


def _watch(address: str) -> None:
    refused = 0
    while refused < AWAY_AFTER:
        time.sleep(EVERY_S)
        refused = 0 if accepts(address) else refused + 1
    logger.warning("Ray at %s is away: this process ends, and waits for it when it is started again", address)
    os._exit(EXIT_AWAY)
