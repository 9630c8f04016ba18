"""PictureLimit: refuses pictures that are too large, or for which there is no memory.

The size is that of the decoder: containers know it before the first picture is decoded, RTSP and WebRTC after it.
FFmpeg enforces the limit on its own too, before it allocates memory for a picture. There is one limit per connection.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from math import prod

import av.error
from av.video.codeccontext import VideoCodecContext

from ring_buffers.frames import SlotFormat
from stream.settings.engine import CameraConfig
from stream.sources.decoding.picture_memory import PICTURE_MEMORY, Grant, PictureMemory
from stream.sources.errors import SourceError

DECODER_OVERHEAD = 1.4
"""FFmpeg's H.264 decoder holds 140 bytes of motion vectors per 384 bytes of pixels."""
SETTLED_AFTER = 32
"""Pictures after which decoder and ring have as much memory as they will need at this size."""
SETTLED_AFTER_S = 30.0
"""Seconds since the first picture after which this is assumed of a slow camera, whose memory would count twice."""
PICTURES = 8
"""Pictures that a camera's decoder holds: four to refer to, the current one and those on their way."""


class PictureLimit:
    """The limit of one connection. `slot_bytes(size)` returns what the ring still needs for pictures of this size."""

    def __init__(
        self,
        config: CameraConfig,
        slot_bytes: Callable[[tuple[int, int]], int] = lambda size: 0,
        memory: PictureMemory = PICTURE_MEMORY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = config.id
        self._limit = config.max_picture
        self._max_pixels = config.max_pixels
        self._slot_bytes = slot_bytes
        self._memory = memory
        self._grant: Grant | None = None
        self._checked = (0, 0)
        self._decoded = 0
        """Units with pictures since the size was checked."""
        self._clock = clock
        self._first_at = 0.0
        """When the first of them was decoded."""

    def begin(self, codec: VideoCodecContext) -> None:
        """Check a decoder before its first unit, and limit it. Raises `SourceError`."""
        codec.options = {**codec.options, "max_pixels": str(decoder_pixels(self._max_pixels))}
        self._check(codec)

    def check_failure(self, codec: VideoCodecContext, error: av.error.FFmpegError) -> None:
        """Raise `SourceError` if a unit could not be decoded because of FFmpeg's limit.

        FFmpeg then forgets the size, and reports an invalid argument instead of invalid data.
        """
        if error.errno == errno.EINVAL and not codec.width:
            raise self._too_large("")
        if codec.width * codec.height > self._max_pixels:
            raise self._too_large(f" of {codec.width}x{codec.height} pixels")

    def check_decoder(self, codec: VideoCodecContext, *, shown: bool) -> None:
        """Check the size that a decoder is set to, after a unit that completed pictures or not. Raises like `begin`."""
        self._check(codec)
        if self._grant is None or not shown:
            return
        now = self._clock()
        if self._decoded == 0:
            self._first_at = now
        self._decoded += 1
        if self._decoded >= SETTLED_AFTER or now - self._first_at >= SETTLED_AFTER_S:
            self.settled()

    def settled(self) -> None:
        """The decoder and the ring have the memory that they need."""
        if self._grant is not None:
            self._grant.settle()
            self._grant = None

    def _check(self, codec: VideoCodecContext) -> None:
        size = codec.width, codec.height
        if size == self._checked or not prod(size):
            return
        if prod(size) > self._max_pixels:
            raise self._too_large(f" of {codec.width}x{codec.height} pixels")
        pixels = codec.format if codec.pix_fmt is not None else None
        bits = (pixels.padded_bits_per_pixel if pixels is not None else 0) or 12  # 0: held by a GPU
        decoder = int(prod(size) * bits / 8 * PICTURES * DECODER_OVERHEAD)
        ring = self._slot_bytes(size)
        self.settled()
        self._grant, available = self._memory.grant(decoder + ring)
        if self._grant is None:
            raise SourceError(
                "no_memory",
                self._camera,
                f"its pictures of {codec.width}x{codec.height} pixels need about {decoder + ring >> 20} MiB "
                f"({decoder >> 20} for the decoder, {ring >> 20} for the ring), but {available >> 20} MiB "
                "are available",
                "Lower its resolution or ring_slots, or run fewer cameras here",
            )
        self._checked = size
        self._decoded = 0

    def _too_large(self, of_size: str) -> SourceError:
        return SourceError(
            "picture_too_large",
            self._camera,
            f"its pictures{of_size} are larger than max_picture ({self._limit})",
            "Lower its resolution, or raise max_picture",
        )


def decoder_pixels(max_pixels: int) -> int:
    """Return FFmpeg's own limit. It is higher, because FFmpeg counts the pixels by which it pads rows and columns."""
    return max_pixels * 5 // 4 + 65_536


def ring_bytes(format: SlotFormat, slots: int, held: int) -> int:
    """Return the memory that a ring of this format needs beyond what it holds."""
    return max(0, slots * prod(format.shape) - held)
