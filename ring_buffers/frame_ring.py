"""FrameRing: the decoded frames of one camera, preallocated, between its decoding thread and the inference thread.

A slot is free, being written, ready, or leased. One writer (the camera's thread), one reader (the engine). Nothing is
allocated for a frame: a picture is written into a slot's own memory and read there under a lease.

Policy `latest` (live cameras): a full ring overwrites the oldest *ready* slot, never a leased one; with every slot
leased the new picture is dropped. Policy `every` (files): the writer waits. Every frame is accounted for:
decoded = taken by the reader + dropped, by reason + ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class FrameMeta:
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


@dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """One frame lent to the reader: `picture` is the slot's own memory (uint8), valid until the lease is released."""

    meta: FrameMeta
    picture: np.ndarray
    slot: int
    generation: int
