"""What is said of one decoded frame between a camera and a model: its format, its times, its loan. Plain data.

What is made anew for every frame is a msgspec struct: it is built in C, where a frozen dataclass would run Python for
each field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

Clock = Literal["rtcp", "arrival", "media"]
Policy = Literal["latest", "every"]
DropReason = Literal["overwritten", "all_leased", "stale", "rate_limited", "epoch_ended", "stage_error", "shutdown"]


@dataclass(frozen=True, slots=True)
class SlotFormat:
    """The memory layout of a camera's pictures.

    `planes`: the decoder's own 8-bit YUV 4:2:0 planes without padding, one flat array: Y, then U, then V.
    `rgb24`: array `[height, width, 3]`; the picture fills the top-left `content` (width, height) at the source's
    aspect, the rest is black.
    """

    pixels: Literal["planes", "rgb24"]
    size: tuple[int, int]
    content: tuple[int, int]

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
    generation: int


class WriteSlot(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One slot lent to the writer: fill `picture` (uint8, the epoch's format), then commit or abandon it."""

    picture: np.ndarray
    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class RingCounts:
    """One consistent look at a ring: decoded = processed + sum of dropped + ready + leased."""

    decoded: int
    processed: int
    dropped: dict[str, int]
    ready: int
    leased: int
