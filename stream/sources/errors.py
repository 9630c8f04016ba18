"""Errors of sources, by what the user can do about them.

Every message names the camera, what failed and what to do. It contains no secret: it is made from the redacted address,
and never from FFmpeg's messages, which quote the whole URL.
"""

from __future__ import annotations

from typing import ClassVar


class SourceError(Exception):
    """A source cannot be opened or read. `reason` is the short code for status, metrics and logs."""

    reason: ClassVar[str] = "failed"
    permanent: ClassVar[bool] = False
    """Whether retrying is useless, because the configuration must change."""

    def __init__(self, camera: str, what: str, remedy: str) -> None:
        super().__init__(f"camera {camera}: {what}. {remedy}")
        self.camera = camera
        self.what = what
        self.remedy = remedy


class RefusedError(SourceError):
    """Nothing listens on the port."""

    reason = "refused"


class UnreachableError(SourceError):
    """No route to the host."""

    reason = "unreachable"


class UnknownHostError(SourceError):
    """The host name cannot be resolved."""

    reason = "unknown_host"


class UntrustedError(SourceError):
    """The server's certificate is not trusted."""

    reason = "untrusted"


class NotFoundError(SourceError):
    """The server has no such path."""

    reason = "not_found"


class UnauthorisedError(SourceError):
    """The server asks for credentials, or rejects the given ones."""

    reason = "unauthorised"


class ServerError(SourceError):
    """The server answered with an error."""

    reason = "server_error"


class SilentError(SourceError):
    """The server accepts the connection but does not answer."""

    reason = "silent"


class StartTimeoutError(SourceError):
    """No frame within the start timeout."""

    reason = "timeout"


class StalledError(SourceError):
    """A live source has given no frame for the stall timeout."""

    reason = "stalled"


class EndedError(SourceError):
    """The stream has ended: end of file, or the server closed the connection."""

    reason = "ended"


class NotAVideoError(SourceError):
    """The source has no video."""

    reason = "not_a_video"


class UnknownCodecError(SourceError):
    """The video codec is not supported."""

    reason = "unknown_codec"


class PictureTooLargeError(SourceError):
    """Its pictures are larger than `max_picture`."""

    reason = "picture_too_large"


class NoMemoryError(SourceError):
    """There is not enough memory for its pictures."""

    reason = "no_memory"


class BusyError(SourceError):
    """This computer lacks what is needed to open it, for now: file descriptors. Files are retried too."""

    reason = "busy"


class BrokenError(SourceError):
    """Reading failed."""

    reason = "broken"


class UnconnectedError(SourceError):
    """The other end was reached, but no media connection could be established."""

    reason = "unconnected"


class PublisherAwaitedError(SourceError):
    """No publisher is connected yet."""

    reason = "no_publisher"


class NoSuchFileError(SourceError):
    """The file does not exist."""

    reason = "no_such_file"
    permanent = True


class UnreadableError(SourceError):
    """The file or device exists but must not be read."""

    reason = "unreadable"


class NoSuchDeviceError(SourceError):
    """The device does not exist. It may be plugged in later."""

    reason = "no_such_device"


class BadAddressError(SourceError):
    """The address is invalid."""

    reason = "bad_address"
    permanent = True


class InternalError(SourceError):
    """An internal error of partstream."""

    reason = "internal_error"
