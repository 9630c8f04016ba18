"""What can go wrong with a source, typed by what the user can do about it. Owns nothing.

Every message names the camera, what failed and what to do, and carries no secret: it is made from the redacted address
and never from FFmpeg's own messages, which quote the whole URL.
"""

from __future__ import annotations

from typing import ClassVar


class SourceError(Exception):
    """A source can't be opened, or gives nothing more. `reason` is the short code for status, metrics and logs."""

    reason: ClassVar[str] = "failed"
    permanent: ClassVar[bool] = False
    """Trying again is no use: the configuration must change."""

    def __init__(self, camera: str, what: str, remedy: str) -> None:
        super().__init__(f"camera {camera}: {what}. {remedy}")
        self.camera = camera
        self.what = what
        self.remedy = remedy


class RefusedError(SourceError):
    """Nothing listens at that port."""

    reason = "refused"


class UnreachableError(SourceError):
    """No way to that host."""

    reason = "unreachable"


class UnknownHostError(SourceError):
    """The host's name has no address."""

    reason = "unknown_host"


class UntrustedError(SourceError):
    """The server's certificate isn't trusted."""

    reason = "untrusted"


class NotFoundError(SourceError):
    """The server has no such path."""

    reason = "not_found"


class UnauthorisedError(SourceError):
    """The server wants a name and password, or others."""

    reason = "unauthorised"


class ServerError(SourceError):
    """The server answered with an error of its own."""

    reason = "server_error"


class SilentError(SourceError):
    """The server accepts the connection and then says nothing."""

    reason = "silent"


class StartTimeoutError(SourceError):
    """No picture within the start timeout."""

    reason = "timeout"


class StalledError(SourceError):
    """It was live and has given nothing for the stall timeout."""

    reason = "stalled"


class EndedError(SourceError):
    """The stream is over: the file's end, or the server closed the connection."""

    reason = "ended"


class NotAVideoError(SourceError):
    """What is there holds no video."""

    reason = "not_a_video"


class UnknownCodecError(SourceError):
    """There is video, in a coding that can't be decoded here."""

    reason = "unknown_codec"


class BrokenError(SourceError):
    """Reading failed in the middle."""

    reason = "broken"


class UnconnectedError(SourceError):
    """The other end is there, and no way for the pictures between it and us."""

    reason = "unconnected"


class PublisherAwaitedError(SourceError):
    """Nobody publishes to this camera (now: somebody may at any time)."""

    reason = "no_publisher"


class NoSuchFileError(SourceError):
    """There is no such file."""

    reason = "no_such_file"
    permanent = True


class UnreadableError(SourceError):
    """The file or device is there and may not be read."""

    reason = "unreadable"


class NoSuchDeviceError(SourceError):
    """There is no such device (now: it may be plugged in later)."""

    reason = "no_such_device"


class BadAddressError(SourceError):
    """The address itself is wrong."""

    reason = "bad_address"
    permanent = True


class InternalError(SourceError):
    """A fault in partstream."""

    reason = "internal_error"
