"""The test pattern, `pattern:[WIDTHxHEIGHT[@FPS]]`: a source that needs no camera.

Each picture contains its number three times: as text, with the time of day (UTC); as the position of a moving bar; and
as machine-readable blocks along the top edge: white, black, sixteen bits of the number, most significant first, their
even parity, and its complement. Each block has a twentieth of the width and 2/45 of the height.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.addresses import parse_pattern
from stream.sources.arrival_time import utc_us_at
from stream.sources.error_diagnosis import ErrorDiagnosis
from stream.sources.transport import AccessUnit, Transport, UnitTimes

BLOCKS = 20
BITS = 16
BLACK, WHITE = 16, 235
GLYPHS = {
    "0": "111101101101111",
    "1": "010110010010111",
    "2": "111001111100111",
    "3": "111001111001111",
    "4": "101101111001001",
    "5": "111100111001111",
    "6": "111100111101111",
    "7": "111001001001001",
    "8": "111101111101111",
    "9": "111101111001111",
    ":": "000010000010000",
    ".": "000000000000010",
    " ": "000000000000000",
}
"""Characters of 3 x 5 cells, row by row."""


def pattern_transport(config: CameraConfig, stopping: threading.Event) -> PatternTransport:
    """Return the transport of a test pattern. Raises `SourceError` if its size or rate is invalid."""
    size, fps = parse_pattern(config.id, config.source.reveal(), config.max_pixels)
    diagnosis = ErrorDiagnosis(config.id, config.source, config.start_timeout_s, config.stall_timeout_s)
    return PatternTransport(diagnosis, size, fps, stopping, paced=config.pace != "fast")


class TestPicture:
    """Draws the pictures as flat 8-bit YUV 4:2:0 planes: Y, U, V without padding."""

    __test__ = False  # not a test, despite its name

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = self._size = size
        chroma_width, chroma_height = (width + 1) // 2, (height + 1) // 2
        self._picture = np.empty(width * height + 2 * chroma_width * chroma_height, np.uint8)
        self.luma = self._picture[: width * height].reshape(height, width)
        across = np.linspace(40, 200, width).astype(np.uint8)
        self._background = np.broadcast_to(across, (height, width))
        chroma = self._picture[width * height :].reshape(2, chroma_height, chroma_width)
        chroma[0] = np.linspace(90, 166, chroma_width)
        chroma[1] = np.linspace(166, 90, chroma_height)[:, None]
        self._edges = np.linspace(0, width, BLOCKS + 1).round().astype(int)

    def draw(self, number: int, at: datetime) -> np.ndarray:
        """Draw the picture of this number and time. The next call overwrites the returned array."""
        width, height = self._size
        self.luma[:] = self._background
        bar = number * 4 % width
        self.luma[height // 2 :, bar : bar + max(2, width // 40)] = WHITE
        cell = max(1, min(width // 60, height // 30))
        self._write(f"{number}", cell * 2, height // 8, cell * 2)
        self._write(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}", cell * 2, height // 8 + cell * 13, cell)
        self._draw_blocks(number % (1 << BITS))
        return self._picture

    def _write(self, text: str, left: int, top: int, cell: int) -> None:
        width, height = self._size
        for character in text:
            glyph = np.array([int(dot) for dot in GLYPHS[character]], np.uint8).reshape(5, 3)
            dots = np.kron(glyph * (WHITE - BLACK) + BLACK, np.ones((cell, cell), np.uint8))
            shown = self.luma[top : top + 5 * cell, left : left + 3 * cell]
            shown[:] = dots[: shown.shape[0], : shown.shape[1]]
            left += 4 * cell
            if left >= width or top >= height:
                return

    def _draw_blocks(self, number: int) -> None:
        bits = [(number >> bit) & 1 for bit in range(BITS - 1, -1, -1)]
        parity = sum(bits) % 2
        rows = max(1, round(self._size[1] * 2 / 45))
        for block, bit in enumerate([1, 0, *bits, parity, 1 - parity]):
            self.luma[:rows, self._edges[block] : self._edges[block + 1]] = WHITE if bit else BLACK


class PatternTransport(Transport):
    """Sends uncompressed test pictures at their frame rate or, if not `paced`, at the speed of processing."""

    def __init__(
        self, diagnosis: ErrorDiagnosis, size: tuple[int, int], fps: float, stopping: threading.Event, *, paced: bool
    ) -> None:
        super().__init__(diagnosis)
        self._size = size
        self._fps = fps
        self._stopping = stopping
        self._paced = paced
        self._picture = TestPicture(size)
        self._number = 0
        self._start_ns = 0

    def open(self) -> Transport:
        """Open the pattern at picture 0."""
        codec = av.CodecContext.create("rawvideo", "r")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height = self._size
        codec.pix_fmt = "yuv420p"
        self.codec = codec
        self._start_ns = time.monotonic_ns()
        return self

    def read(self) -> AccessUnit | None:
        """Wait for the next picture's time and return it, or None when told to stop."""
        pts_us = round(self._number * 1_000_000 / self._fps)
        if self._paced:
            wait_s = (self._start_ns + pts_us * 1000 - time.monotonic_ns()) / 1e9
            if wait_s > 0 and self._stopping.wait(wait_s):
                return None
        now_ns = time.monotonic_ns()
        utc_us = utc_us_at(now_ns)
        picture = self._picture.draw(self._number, datetime.fromtimestamp(utc_us / 1e6, UTC))
        packet = av.Packet(picture.tobytes())
        packet.pts = packet.dts = pts_us
        packet.time_base = Fraction(1, 1_000_000)
        packet.is_keyframe = True
        self._number += 1
        return AccessUnit(packet, UnitTimes(pts_us, now_ns, utc_us))

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
