"""What is said of one decoded frame between a camera and a model: its format, its times, its loan. Plain data.

What is made anew for every frame is a msgspec struct: it is built in C, where a frozen dataclass would run Python for
each field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from telemetry.reasons import DropReason

Clock = Literal["rtcp", "arrival", "media"]
Policy = Literal["latest", "every"]
Matrix = Literal["bt601", "bt709", "fcc", "smpte240m", "bt2020"]

LUMA_SHARES: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
"""What red and blue give to Y; green gives the rest."""


@dataclass(frozen=True, slots=True)
class Colours:
    """What YUV numbers mean: `full_range` uses 0 to 255, otherwise Y lies in 16 to 235, U and V in 16 to 240."""

    matrix: Matrix = "bt601"
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SlotFormat:
    """The memory layout of a camera's pictures.

    `planes`: the decoder's own 8-bit YUV 4:2:0 planes without padding, one flat array: Y, then U, then V. `content`
    (width, height) is what a model makes of them, in the top-left of its own picture of size `target`; a model that
    doesn't look has no target.
    `rgb24`: array `[height, width, 3]`; the picture fills the top-left `content` (width, height) at the source's
    aspect, the rest is black.
    """

    pixels: Literal["planes", "rgb24"]
    size: tuple[int, int]
    content: tuple[int, int]
    target: tuple[int, int] | None = None
    colours: Colours = Colours()
    """Of planes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the uint8 array of one slot."""
        width, height = self.size
        if self.pixels == "rgb24":
            return (height, width, 3)
        return (width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2),)


class FrameMeta(msgspec.Struct, frozen=True, gc=False):
    """What is known of one decoded frame besides its pixels."""

    camera: str
    epoch: int
    frame: int
    """Decoded frames of this epoch before this one (dropped ones counted)."""
    media_us: int
    """Media time since the epoch's first frame, µs; never goes backwards within an epoch."""
    capture_us: int
    """UTC µs."""
    clock: Clock
    """Where `capture_us` comes from."""
    arrival_ns: int
    """Monotonic instant when the transport had the access unit complete."""
    ready_ns: int
    """Monotonic instant when the slot was filled."""
    size: tuple[int, int]
    """(width, height) of the epoch's first picture: boxes are given in its pixels."""
    format: SlotFormat


class Lease(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One frame lent to the reader: `picture` is the slot's own memory (uint8), valid until the lease is released."""

    meta: FrameMeta
    picture: np.ndarray
    slot: int


class WriteSlot(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One slot lent to the writer: fill `picture` (uint8, the epoch's format), then commit or abandon it."""

    picture: np.ndarray
    slot: int


@dataclass(frozen=True, slots=True)
class RingCounts:
    """One consistent look at a ring: decoded = processed + sum of dropped + ready + leased."""

    decoded: int
    processed: int
    dropped: dict[DropReason, int]
    ready: int
    leased: int
