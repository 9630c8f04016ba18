"""Reasons for which a subscriber receives nothing, as far as they can be seen from here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from stream.results import Stats
from stream.subscriber import FLEET

PROBE_S = 1.0
"""Time limit for a test connection, and again for the greeting that a ZeroMQ socket sends at once."""
NAMED = 10
"""Cameras that are listed; further ones are counted."""
_GREETING = b"\xff"


async def silence(endpoint: str) -> str:
    """Return what to tell a user when no message has come from `endpoint`. Connects to it once to see what answers."""
    answers = await _first_byte(endpoint.replace(FLEET, "tcp://"))
    if endpoint.startswith(FLEET) and answers in (None, _GREETING):
        if answers is None:
            seen = f"Nothing answers at {endpoint} yet. Is the fleet's controller running, with its directory there?"
        else:
            seen = f"A ZeroMQ socket answers at {endpoint}, but no camera of a fleet was heard of."
        return f"{seen} A directory with CURVE keys needs --server-key and --key-file. Still waiting …"
    if answers is None:
        seen = f"Nothing answers at {endpoint} yet. Is an engine running (`partstream run`), and is this its address?"
    elif answers == _GREETING:
        seen = f"A ZeroMQ socket answers at {endpoint}, but sends nothing. Is this the engine's `publish.endpoint`?"
    else:
        return (
            f"A server answers at {endpoint}, but it is no ZeroMQ publisher. Is this the engine's HTTP port? Give the "
            "port of `publish.endpoint`, 5555 by default. Still waiting …"
        )
    return f"{seen} An engine with CURVE keys needs --server-key and --key-file. Still waiting …"


async def _first_byte(endpoint: str) -> bytes | None:
    """Return the first byte that a server sends by itself, empty if it sends none; None if nothing answers."""
    if not endpoint.startswith("tcp://"):
        return None
    host, _, port = endpoint.removeprefix("tcp://").rpartition(";")[2].rpartition(":")
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), PROBE_S)
    except (OSError, TimeoutError):
        return None
    try:
        with suppress(OSError, TimeoutError):
            return await asyncio.wait_for(reader.read(1), PROBE_S)
        return b""
    finally:
        writer.close()


def not_running(wanted: Collection[str], stats: Stats) -> str:
    """Return what to tell a user who subscribed to cameras that the engine does not run; empty if it runs them all."""
    running = sorted(camera.camera for camera in stats.cameras)
    missing = sorted(set(wanted) - set(running))
    if not missing:
        return ""
    more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
    runs = f"it runs {', '.join(running[:NAMED])}{more}" if running else "it runs none"
    return f"The engine does not run camera {', '.join(missing[:NAMED])}; {runs}. Still waiting …"
