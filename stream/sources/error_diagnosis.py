"""From what libav raises to what the user is told, for one camera. The kinds of sources add what only they know.

libav's own messages quote the address with its password: nothing of them is passed on but the error number's name.
"""

from __future__ import annotations

import av.error

from stream.settings.source_address import SourceAddress
from stream.sources.errors import (
    BrokenError,
    EndedError,
    NotAVideoError,
    SourceError,
    StalledError,
    StartTimeoutError,
    UnknownCodecError,
)


class ErrorDiagnosis:
    """The errors of one camera's source."""

    def __init__(self, camera: str, address: SourceAddress, start_timeout_s: float, stall_timeout_s: float) -> None:
        self.camera = camera
        self.address = str(address)
        self.start_timeout_s = start_timeout_s
        self.stall_timeout_s = stall_timeout_s

    def awaited(self) -> SourceError | None:
        """What must come about elsewhere before the source can be opened, if anything."""
        return None

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """What opening raised, `after_s` seconds from its beginning."""
        return self.reading(error)

    def not_open_in_time(self) -> SourceError:
        """The start timeout passed before it was open."""
        return StartTimeoutError(
            self.camera,
            f"{self.address} wasn't open within {self.start_timeout_s:g} s",
            "Raise start_timeout_s if it needs longer",
        )

    def no_picture_in_time(self) -> SourceError:
        """It is open, and the start timeout passed without a picture."""
        return StartTimeoutError(
            self.camera,
            f"{self.address} is open and gave no picture within {self.start_timeout_s:g} s",
            "Shorten the camera's keyframe interval, or raise start_timeout_s",
        )

    def stalled(self) -> SourceError:
        """It was live and nothing has come for the stall timeout."""
        return StalledError(
            self.camera,
            f"no picture from {self.address} for {self.stall_timeout_s:g} s",
            "Look at the camera and its network, or raise stall_timeout_s if it is this slow",
        )

    def no_video(self) -> SourceError:
        """Open, and there is no video in it."""
        return NotAVideoError(self.camera, f"{self.address} has no video stream", "Give the address of one that has")

    def unknown_codec(self) -> SourceError:
        """There is video that libav has no decoder for."""
        return UnknownCodecError(
            self.camera,
            f"the video of {self.address} is in a coding that can't be decoded",
            "Set the camera to H.264, H.265 or MJPEG",
        )

    def ended(self) -> SourceError:
        """The stream is over."""
        return EndedError(self.camera, f"{self.address} has ended", "Nothing is to be done")

    def reading(self, error: Exception) -> SourceError:
        """What reading raised."""
        return BrokenError(
            self.camera,
            f"reading {self.address} failed ({name_of(error)})",
            "Check that the source is intact; other programs can tell more about it",
        )


def name_of(error: Exception) -> str:
    """What an error is called, without its message: `errno` in words for libav's errors, else the type."""
    if isinstance(error, av.error.FFmpegError) and error.strerror:
        return error.strerror
    return type(error).__name__
