"""ZeroMQ endpoints in command arguments."""

from __future__ import annotations

from commands.ending import EXIT_USAGE, fail
from stream.messaging.client_endpoints import parse_endpoint

LOCAL, LOCAL_REPLAY = "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"
"""Where an engine publishes, and answers replay requests, by default."""


def endpoint_to_connect_to(text: str, elsewhere: str = "") -> str:
    """Return the ZeroMQ endpoint for `tcp://HOST:PORT`, `HOST:PORT` or `ipc://PATH`; end with code 2 for anything else.

    `elsewhere` is added to the error: what else the user may have meant, and where to give it.
    """
    try:
        return parse_endpoint(text)
    except ValueError as error:
        fail(f"{error}; {elsewhere}" if elsewhere else str(error), EXIT_USAGE)
