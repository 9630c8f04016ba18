"""Errors of an RTSP session, by what the user can do about them.

Messages contain no secrets, and nothing that the server sent.
"""

from __future__ import annotations


class SessionError(Exception):
    """The session cannot continue; close its connection."""


class ProtocolError(SessionError):
    """The server breaks the protocol, or exceeds a limit."""


class OtherProtocolError(ProtocolError):
    """The server does not speak RTSP."""


class AccessDeniedError(SessionError):
    """The server asks for credentials, rejects the given ones, or forbids access to the path."""


class NoSuchPathError(SessionError):
    """The server has no such path."""


class NoVideoError(SessionError):
    """The description has no video."""


class LowerTransportError(SessionError):
    """The server does not send over the requested transport (TCP or UDP)."""


class StatusError(SessionError):
    """The server answered with another error status."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f"{method} was answered with status {status}")
        self.method = method
        self.status = status
