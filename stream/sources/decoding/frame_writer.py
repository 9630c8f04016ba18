"""FrameWriter: writes decoded pictures into the ring with their time, number and epoch. There is one per camera.

It owns the camera's clock and counts its epochs. It does not depend on transports, threads or states.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import Clock, FrameMeta, SlotFormat
from ring_buffers.motion.motion_gate import MotionGate
from ring_buffers.slot_writers import PictureWriter, frame_colours, picture_writer, shown_size
from stream.sources.decoding.clock import CameraClock, ClockStep, Stamp
from stream.sources.decoding.decoder import Decoded
from stream.sources.transport import UnitTimes
from telemetry.reasons import DropReason, EpochReason

SAME_ASPECT_PERCENT = 2
"""A change of size that alters width/height by at most this is a scaling of the same picture."""
RATE_SLACK_US = 1_000
"""Senders round times to 1/90000 s: a frame that is early by up to this is on time."""
WAIT_FOR_SLOT_S = 0.2

SlotFormatOf = Callable[[tuple[int, int], tuple[int, int] | None], SlotFormat]


class Mask(Protocol):
    """Hides parts of the pictures of one format."""

    def apply(self, picture: np.ndarray) -> None:
        """Hide the parts in a slot (uint8, `SlotFormat.shape`)."""
        ...

    def hidden(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return which pixels of a small picture, as shown, hold anything of these parts: bool [height, width]."""
        ...


MaskFor = Callable[[SlotFormat, int], Mask]
"""Makes the mask for slots of a format; the second argument is as `enlarged` of `SlotMask`."""


class RateLimit:
    """Selects frames by media time so that at most `max_fps` remain."""

    def __init__(self, max_fps: float | None) -> None:
        self._interval_us = 1_000_000 / max_fps if max_fps else 0.0
        self._due_us = 0.0

    def restart(self) -> None:
        """Restart because media time begins at 0 again."""
        self._due_us = 0.0

    def keeps(self, media_us: int) -> bool:
        """Return whether to keep the frame at this media time; calls must be in order of time."""
        if not self._interval_us:
            return True
        if media_us + RATE_SLACK_US < self._due_us:
            return False
        late_us = media_us - self._due_us
        self._due_us = (self._due_us if late_us < self._interval_us else media_us) + self._interval_us
        return True


class FrameWriter:
    """Writes one camera's pictures into its ring. `stopping` is polled while the ring is full under policy `every`."""

    def __init__(
        self,
        camera: str,
        ring: FrameRing,
        slot_format: SlotFormatOf,
        clock: CameraClock,
        *,
        detector_size: tuple[int, int] | None = None,
        max_fps: float | None = None,
        first_epoch: int = 1,
        stopping: Callable[[], bool] = lambda: False,
        on_stamp: Callable[[UnitTimes, int, Stamp], None] | None = None,
        mask_for: MaskFor | None = None,
    ) -> None:
        """`on_stamp(times, epoch, stamp)` is called for each shown picture, including pictures that are not kept.

        With `mask_for`, no slot becomes ready before the mask for its format has been applied.
        """
        self._camera = camera
        self._ring = ring
        self._slot_format = slot_format
        self._clock = clock
        self._detector_size = detector_size
        self._rate = RateLimit(max_fps)
        self._stopping = stopping
        self._on_stamp = on_stamp
        self._mask_for = mask_for
        self._masks: dict[int, Mask] = {}
        """Masks of the epoch, by how much its pictures are enlarged."""
        self._next_epoch = first_epoch
        self._wanted_for: EpochReason | None = EpochReason.CONNECTED
        """Why the next picture begins an epoch; None if it need not."""
        self._format: SlotFormat | None = None
        self._writer: PictureWriter | None = None
        self._gate = MotionGate()
        self._decoded_size = (0, 0)
        self.epoch = first_epoch - 1
        """The current epoch; before the first picture, the last epoch of a previous camera with this id, or 0."""
        self.epoch_reason: EpochReason | None = None
        """Why the current epoch began; None before the first picture."""
        self.epoch_cause = ""
        """The same in words, if a jump in time was the reason."""
        self.size: tuple[int, int] | None = None
        """(width, height) of the epoch's first picture."""
        self.clock: Clock | None = None
        """Origin of the last picture's capture time."""

    def request_epoch(self, reason: EpochReason = EpochReason.CONNECTED) -> None:
        """Begin a new epoch with the next picture. May be called from any thread.

        A call while an epoch begins is met by that one.
        """
        self._wanted_for = reason

    def limit(self, max_fps: float | None) -> None:
        """Keep at most `max_fps` frames per second from now on. May be called from any thread."""
        self._rate = RateLimit(max_fps)

    def write(self, picture: Decoded) -> bool:
        """Write a picture into the ring, or count why not; return whether the epoch or the clock changed."""
        frame, times, pts_us = picture.frame, picture.times, picture.pts_us
        size = shown_size(frame)
        if size != self._decoded_size:
            self._decoded_size = size
            if self._wanted_for is None and not _same_aspect(size, self.size):
                self._wanted_for = EpochReason.ASPECT_RATIO
        wanted_for = self._wanted_for
        changed = wanted_for is not None
        if wanted_for is not None:
            self._begin_epoch(frame, size, wanted_for)
        stamp = self._clock.stamp(pts_us, times.arrival_ns, times.arrival_utc_us, times.sender_utc_us)
        if not isinstance(stamp, Stamp):
            changed = True
            reason = EpochReason.CLOCK_STEP if isinstance(stamp, ClockStep) else EpochReason.MEDIA_JUMP
            self._begin_epoch(frame, size, reason, str(stamp))
            stamp = self._clock.stamp(pts_us, times.arrival_ns, times.arrival_utc_us, times.sender_utc_us)
            assert isinstance(stamp, Stamp)  # the first frame of an epoch never jumps
        if self._on_stamp is not None:
            self._on_stamp(times, self.epoch, stamp)
        if self._rate.keeps(stamp.media_us):
            self._commit(frame, stamp, times.arrival_ns)
        else:
            self._ring.drop_decoded(DropReason.RATE_LIMITED)
        changed = changed or stamp.clock != self.clock
        self.clock = stamp.clock
        return changed

    def _begin_epoch(self, frame: av.VideoFrame, size: tuple[int, int], reason: EpochReason, cause: str = "") -> None:
        self._wanted_for = reason  # until it has begun, so that no picture is written with an older mask
        self.epoch_reason, self.epoch_cause = reason, cause
        self.epoch = self._next_epoch
        self._next_epoch += 1
        self.size = size
        self._format = self._slot_format(size, self._detector_size)
        if self._format.pixels == "planes":
            self._format = replace(self._format, colours=frame_colours(frame))
        self._masks = {}
        self._mask()
        self._writer = picture_writer(self._format)
        self._gate.begin_epoch()
        self._clock.begin_epoch()
        self._rate.restart()
        self._ring.begin_epoch(self.epoch, self._format)
        self._wanted_for = None

    def _mask(self) -> Mask | None:
        """Return the mask for pictures of the present size, which can change within an epoch."""
        if self._mask_for is None:
            return None
        assert self._format is not None
        shares = (slot / decoded for slot, decoded in zip(self._format.picture_size, self._decoded_size, strict=True))
        enlarged = 1 << max(math.ceil(max(shares)) - 1, 0).bit_length()  # powers of 2: few masks, whatever is sent
        if enlarged not in self._masks:
            self._masks[enlarged] = self._mask_for(self._format, enlarged)
        return self._masks[enlarged]

    def _commit(self, frame: av.VideoFrame, stamp: Stamp, arrival_ns: int) -> None:
        ring = self._ring
        number = ring.frames_in_epoch
        slot = ring.acquire(WAIT_FOR_SLOT_S)
        while slot is None:
            if ring.policy == "latest" or ring.closed or self._stopping():
                return  # the ring has counted it, or is no longer used
            slot = ring.acquire(WAIT_FOR_SLOT_S)
        assert self._writer is not None and self._format is not None and self.size is not None
        try:
            mask = self._mask()
            self._writer.write(frame, slot.picture)
            if mask is not None:
                # Not on the decoded frame, from which the decoder may predict later ones.
                mask.apply(slot.picture)
            hidden = mask.hidden if mask is not None else None
            motion = self._gate.look(frame, stamp.media_us, hidden) if self._format.motion else None
        except BaseException:
            ring.abandon(slot)
            raise
        ring.commit(
            slot,
            FrameMeta(
                camera=self._camera,
                epoch=self.epoch,
                frame=number,
                media_us=stamp.media_us,
                capture_us=stamp.capture_us,
                clock=stamp.clock,
                arrival_ns=arrival_ns,
                ready_ns=time.monotonic_ns(),
                size=self.size,
                format=self._format,
                motion=motion,
            ),
        )


def _same_aspect(size: tuple[int, int], first: tuple[int, int] | None) -> bool:
    if first is None:
        return False
    now, then = size[0] * first[1], size[1] * first[0]
    return 100 * abs(now - then) <= SAME_ASPECT_PERCENT * then
