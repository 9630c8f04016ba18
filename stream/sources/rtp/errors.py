"""Error for unsupported RTP streams."""

from __future__ import annotations


class UnsupportedStreamError(Exception):
    """The stream is valid but not supported; FFmpeg may read it. `reason` is the short code for status and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not supported: {reason}")
        self.reason = reason
