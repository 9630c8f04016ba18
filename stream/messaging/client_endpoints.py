"""The syntax of the ZeroMQ endpoints that clients connect to."""

from __future__ import annotations

import os
import re

from telemetry.redaction import redact

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[A-Za-z0-9][\w.-]*):\d{1,5}", re.ASCII)
_SOURCE = r"(?:[A-Za-z0-9\[][\w.:%\[\]-]*;)?"
"""ZeroMQ's local address to connect from, as in `tcp://10.0.0.2:0;10.0.0.5:5555`."""
_ENDPOINT = re.compile(rf"tcp://{_SOURCE}{_HOST_AND_PORT.pattern}|ipc://.+", re.ASCII)
_LONGEST_IPC = 107
"""Bytes in the path of a Unix socket."""


def parse_endpoint(text: str) -> str:
    """Return the endpoint for `tcp://HOST:PORT`, `HOST:PORT` or `ipc://PATH`. Raises ValueError for anything else."""
    if text.startswith("fleet://"):
        raise ValueError(
            f"{redact(text)!r} is the address of a whole fleet, which only subscriptions can read: give one engine's "
            "endpoint, tcp://HOST:PORT"
        )
    endpoint = f"tcp://{text}" if _HOST_AND_PORT.fullmatch(text) else text
    valid = _ENDPOINT.fullmatch(endpoint) is not None
    if valid and endpoint.startswith("tcp:"):
        valid = 0 < int(endpoint.rpartition(":")[2]) < 65536
    elif valid:
        valid = len(os.fsencode(endpoint.removeprefix("ipc://"))) <= _LONGEST_IPC
    if not valid:
        raise ValueError(f"{redact(text)!r} is not an endpoint: use tcp://HOST:PORT, for example tcp://127.0.0.1:5555")
    return endpoint
