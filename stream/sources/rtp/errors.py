"""What an RTP stream may ask for that isn't done here. Owns nothing."""

from __future__ import annotations


class UnsupportedStreamError(Exception):
    """The stream is sound, and we don't speak it; libav may. `reason` is the short code for status and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not spoken: {reason}")
        self.reason = reason
