"""Data about one decoded frame between a camera and a model: format, times and lease.

Objects made for every frame are msgspec structs: they are built in C, while a frozen dataclass runs Python for each
field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from ring_buffers.motion.motion_map import MotionMap
from telemetry.reasons import DropReason

Clock = Literal["rtcp", "arrival", "media"]
Matrix = Literal["bt601", "bt709", "fcc", "smpte240m", "bt2020"]

LUMA_SHARES: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
"""Shares of red and blue in Y; green has the rest."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Meaning of YUV values. `full_range`: 0 to 255. Otherwise Y is 16 to 235, U and V are 16 to 240."""

    matrix: Matrix = "bt601"
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SlotFormat:
    """The memory layout of a camera's pictures.

    `planes`: the decoder's 8-bit YUV 4:2:0 planes without padding, in one flat array: Y, then U, then V. The model
    scales them to `content` (width, height), in the top left of its own picture of size `target`; a model that does
    not use pictures has no target.
    `rgb24`: array `[height, width, 3]`. The picture fills the top left `content` (width, height) at the source's
    aspect ratio; the rest is black.
    """

    pixels: Literal["planes", "rgb24"]
    size: tuple[int, int]
    content: tuple[int, int]
    target: tuple[int, int] | None = None
    colours: Colours = Colours()
    """Colours of the planes."""
    motion: bool = False
    """Whether each frame comes with a map of where its picture moves."""

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of the picture that a slot holds, without padding."""
        return self.size if self.pixels == "planes" else self.content

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one slot's uint8 array."""
        width, height = self.size
        if self.pixels == "rgb24":
            return (height, width, 3)
        return (width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2),)


class FrameMeta(msgspec.Struct, frozen=True, gc=False):
    """A decoded frame's metadata."""

    camera: str
    epoch: int
    frame: int
    """Decoded frames of this epoch before this one, dropped ones included."""
    media_us: int
    """Media time since the epoch's first frame, µs; never goes backwards within an epoch."""
    capture_us: int
    """Capture time, µs UTC."""
    clock: Clock
    """Source of `capture_us`."""
    arrival_ns: int
    """Monotonic time when the transport had the complete access unit."""
    ready_ns: int
    """Monotonic time when the slot was filled."""
    size: tuple[int, int]
    """Width and height of the epoch's first picture; boxes are in its pixels."""
    format: SlotFormat
    motion: MotionMap | None = None
    """Where the picture moves; None if the format asks for no such map."""


class Lease(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A frame lent to the reader. `picture` is the slot's own memory (uint8), valid until the lease is released."""

    meta: FrameMeta
    picture: np.ndarray
    slot: int


class WriteSlot(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A slot lent to the writer, who fills `picture` (uint8, the epoch's format), then commits or abandons it."""

    picture: np.ndarray
    slot: int


@dataclass(frozen=True, slots=True)
class RingCounts:
    """A consistent snapshot of a ring: decoded = processed + sum of dropped + ready + leased."""

    decoded: int
    processed: int
    dropped: dict[DropReason, int]
    ready: int
    leased: int
