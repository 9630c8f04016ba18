"""ZeroMQ endpoints as people type them."""

from __future__ import annotations

import re

from commands.ending import EXIT_USAGE, fail

LOCAL, LOCAL_REPLAY = "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"
"""Where an engine publishes, and answers replay requests, by default."""

_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):\d{1,5}")
_ENDPOINT = re.compile(rf"tcp://{_HOST_AND_PORT.pattern}|ipc://\S+")


def endpoint_to_connect_to(text: str, elsewhere: str = "") -> str:
    """Return the ZeroMQ endpoint for `tcp://HOST:PORT`, `HOST:PORT` or `ipc://PATH`; end with code 2 for anything else.

    `elsewhere` is added to the error: what else the user may have meant, and where to give it.
    """
    endpoint = f"tcp://{text}" if _HOST_AND_PORT.fullmatch(text) else text
    if not _ENDPOINT.fullmatch(endpoint):
        hint = f"; {elsewhere}" if elsewhere else ""
        fail(f"{text!r} is not an endpoint: use tcp://HOST:PORT, for example {LOCAL}{hint}", EXIT_USAGE)
    return endpoint
