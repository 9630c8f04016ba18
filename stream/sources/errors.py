"""Errors of sources, by what the user can do about them.

Every message names the camera, what failed and what to do. It contains no secret: it is made from the redacted address,
and never from FFmpeg's messages, which quote the whole URL.
"""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "refused",  # nothing listens on the port
    "unreachable",  # no route to the host
    "unknown_host",
    "untrusted",  # the server's certificate
    "not_found",  # the server has no such path
    "unauthorised",  # the server asks for credentials, or rejects the given ones
    "server_error",
    "silent",  # the server accepts the connection but does not answer
    "timeout",  # no frame within the start timeout
    "stalled",  # a live source has given no frame for the stall timeout
    "ended",  # end of file, or the server closed the connection
    "not_a_video",
    "unknown_codec",
    "picture_too_large",  # larger than `max_picture`
    "no_memory",
    "busy",  # this computer lacks file descriptors, for now: files are retried too
    "broken",  # reading failed
    "unconnected",  # the other end was reached, but no media connection could be established
    "no_publisher",  # none is connected yet
    "no_such_file",
    "unreadable",  # the file or device exists but must not be read
    "no_such_device",  # it may be plugged in later
    "bad_address",
    "internal_error",
]
"""Short codes for status, metrics and logs."""


class SourceError(Exception):
    """A source cannot be opened or read."""

    def __init__(self, reason: Reason, camera: str, what: str, remedy: str) -> None:
        super().__init__(f"camera {camera}: {what}. {remedy}")
        self.reason: Reason = reason
        self.what = what
        self.remedy = remedy

    @property
    def permanent(self) -> bool:
        """Whether retrying is useless, because the configuration must change."""
        return self.reason in ("no_such_file", "bad_address")
