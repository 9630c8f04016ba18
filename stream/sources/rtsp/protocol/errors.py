"""What can go wrong in an RTSP conversation, typed by what its user does about it. Knows no camera and no secret.

Messages are short words of our own and quote nothing that the server sent.
"""

from __future__ import annotations


class SessionError(Exception):
    """The conversation can't go on; its connection is to be closed."""


class ProtocolError(SessionError):
    """What the server sends isn't RTSP, or more than is taken."""


class AccessDeniedError(SessionError):
    """The server wants a name and password, doesn't take the ones given, or forbids the path to them."""


class NoSuchPathError(SessionError):
    """The server has no such path."""


class NoVideoError(SessionError):
    """The description has no video."""


class LowerTransportError(SessionError):
    """The server doesn't send over what was asked for (TCP or UDP)."""


class StatusError(SessionError):
    """Any other status that says no."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f"{method} was answered with status {status}")
        self.method = method
        self.status = status
