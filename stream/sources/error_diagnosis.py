"""ErrorDiagnosis: turns what a source raises into one camera's `SourceError`. Each kind of source has a subclass.

FFmpeg's own messages quote the address with its password, so that only the name of its error number is passed on.
"""

from __future__ import annotations

import av.error

from stream.settings.source_address import SourceAddress
from stream.sources.errors import Reason, SourceError


class ErrorDiagnosis:
    """The errors of one camera's source."""

    def __init__(self, camera: str, address: SourceAddress, start_timeout_s: float, stall_timeout_s: float) -> None:
        self.camera = camera
        self.address = str(address)
        self.start_timeout_s = start_timeout_s
        self.stall_timeout_s = stall_timeout_s

    def _error(self, reason: Reason, what: str, remedy: str) -> SourceError:
        return SourceError(reason, self.camera, what, remedy)

    def waiting_for(self) -> SourceError | None:
        """Return what must happen elsewhere before the source can be opened, if anything."""
        return None

    def opening(self, error: Exception, after_s: float) -> SourceError:
        """Return the error for an exception while opening, `after_s` seconds after the start."""
        return self.reading(error)

    def not_open_in_time(self) -> SourceError:
        """Return the error for a source that was not open within the start timeout."""
        return self._error(
            "timeout",
            f"{self.address} was not open within {self.start_timeout_s:g} s",
            "Raise start_timeout_s if it needs longer",
        )

    def no_picture_in_time(self) -> SourceError:
        """Return the error for an open source without a frame within the start timeout."""
        return self._error(
            "timeout",
            f"{self.address} is open but gave no picture within {self.start_timeout_s:g} s",
            "Shorten the camera's keyframe interval, or raise start_timeout_s",
        )

    def stalled(self) -> SourceError:
        """Return the error for a live source without a frame for the stall timeout."""
        return self._error(
            "stalled",
            f"no picture from {self.address} for {self.stall_timeout_s:g} s",
            "Check the camera and its network, or raise stall_timeout_s if it is this slow",
        )

    def no_recovery(self, after_s: float) -> SourceError:
        """Return the error for a stream in which, after a loss, no picture was complete for this long."""
        return self._error(
            "stalled",
            f"no keyframe from {self.address} for {after_s:g} s after a loss",
            "Shorten the camera's keyframe interval",
        )

    def no_video(self) -> SourceError:
        """Return the error for a source without video."""
        return self._error("not_a_video", f"{self.address} has no video stream", "Use an address with video")

    def unknown_codec(self) -> SourceError:
        """Return the error for video that FFmpeg has no decoder for."""
        return self._error(
            "unknown_codec",
            f"the video codec of {self.address} is not supported",
            "Set the camera to H.264, H.265 or MJPEG",
        )

    def ended(self) -> SourceError:
        """Return the error for the end of the stream."""
        return self._error("ended", f"{self.address} has ended", "No action is needed")

    def reading(self, error: Exception) -> SourceError:
        """Return the error for an exception while reading."""
        return self._error(
            "broken",
            f"reading {self.address} failed ({name_of(error)})",
            "Check the source with another program",
        )


def name_of(error: Exception) -> str:
    """Return an error's name without its message: FFmpeg's text for its number, else the type."""
    if isinstance(error, av.error.FFmpegError) and error.strerror:
        return error.strerror
    return type(error).__name__
