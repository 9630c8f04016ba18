"""CameraClock: when a frame happened. Turns packet times into media time and capture time for one camera.

Pure: times are arguments, nothing is read from the system. Lives as long as its camera, through all its epochs.

Media time (µs since the epoch's first frame) drives everything about motion and never goes backwards in an epoch.
Capture time (µs, UTC) is for people and other systems, and says where it comes from:
- `rtcp`: the camera's own clock, from RTCP sender reports;
- `arrival`: our clock when the picture arrived (until a sender report comes, or for ever);
- `media`: for files, the UTC time at the epoch's start plus media time.
Within a camera, capture time never goes backwards for one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from ring_buffers.frames import Clock

BACKWARD_LIMIT_US = 500_000
"""A step back of up to this much is jitter and is clamped; a longer one is a discontinuity."""
FORWARD_LIMIT_US = 2_000_000
"""Media time may run ahead of arrival by this much in one step (bursts after a stall); more is a discontinuity."""


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """When a frame happened."""

    media_us: int
    """Media time since the epoch's first frame."""
    capture_us: int
    """UTC."""
    clock: Clock
    """Where `capture_us` comes from."""


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """Media time jumped: the frame belongs to a new epoch. `jump_us` is the step that it made."""

    direction: Literal["backward", "forward"]
    jump_us: int

    def __str__(self) -> str:
        way = "back" if self.direction == "backward" else "forward"
        return f"media time jumped {way} by {abs(self.jump_us) / 1e6:.3f} s"


class CameraClock:
    """The clock of one camera. `live` cameras use `arrival` and `rtcp`; files (`live=False`) use `media`."""

    def __init__(self, live: bool = True) -> None:
        self._live = live
        self._last_capture_us: dict[Clock, int] = {}
        self._started = False
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """The next frame is the first of a new epoch: media time starts at 0, the clock at `arrival` (or `media`)."""
        self._started = False
        self._sender_heard = False
        self._base_us: int | None = None
        """What pts media time 0 is; None while no packet of the epoch has had a pts."""
        self._media_us = 0
        self._arrival_ns = 0
        self._previous_step_us: int | None = None
        self._start_utc_us = 0
        self._stamped: dict[Clock, tuple[int, int]] = {}
        """For each clock used in this epoch, the last frame's (elapsed µs, capture µs)."""

    def stamp(
        self, pts_us: int | None, arrival_ns: int, utc_us: int, sender_utc_us: int | None = None
    ) -> Stamp | Discontinuity:
        """The time of the next frame, in the order of presentation.

        `pts_us`: presentation time in µs from any origin; None where the packet had none (libav's first RTSP packet):
        then the frame is as far from the one before as their arrivals are (at most one frame interval, once pts are
        known). `arrival_ns`: monotonic, never decreasing.
        `utc_us`: our wall clock at arrival. `sender_utc_us`: capture time by the camera's clock, once known.

        A `Discontinuity` changes nothing: call `begin_epoch`, then `stamp` the same frame again.
        """
        if not self._started:
            self._start(pts_us, arrival_ns, utc_us)
            return self._capture(utc_us, sender_utc_us)
        arrived_us = max(0, arrival_ns - self._arrival_ns) // 1000
        if pts_us is None:
            step_us = arrived_us
            if self._base_us is not None and self._previous_step_us is not None:
                # A guess: after a stall arrival would put it far ahead of the pts that follow.
                step_us = min(arrived_us, self._previous_step_us)
        else:
            if self._base_us is None:
                # The epoch's first pts: place it where its arrival is on the epoch's media time.
                self._base_us = pts_us - self._media_us - arrived_us
            step_us = pts_us - self._base_us - self._media_us
            if step_us < -BACKWARD_LIMIT_US:
                return Discontinuity("backward", step_us)
            if step_us - self._expected_us(arrived_us, step_us) > FORWARD_LIMIT_US:
                return Discontinuity("forward", step_us)
        step_us = max(0, step_us)
        self._media_us += step_us
        self._previous_step_us = step_us
        self._arrival_ns = max(arrival_ns, self._arrival_ns)
        return self._capture(utc_us, sender_utc_us)

    def _start(self, pts_us: int | None, arrival_ns: int, utc_us: int) -> None:
        self._started = True
        self._base_us = pts_us
        self._arrival_ns = arrival_ns
        # A file read faster than its own times leaves the epoch before in the future.
        self._start_utc_us = max(utc_us, self._last_capture_us.get("media", utc_us))

    def _expected_us(self, arrived_us: int, step_us: int) -> int:
        """How far media time may be expected to have come: as far as arrival has.

        Files may be read faster than their own times, so for them the step before counts too: frames 5 s apart (a
        time lapse) are no jumps.
        """
        if self._live:
            return arrived_us
        return max(arrived_us, step_us if self._previous_step_us is None else self._previous_step_us)

    def _capture(self, utc_us: int, sender_utc_us: int | None) -> Stamp:
        media_us = self._media_us
        if not self._live:
            return self._stamp("media", media_us, self._start_utc_us + media_us)
        if sender_utc_us is not None:
            self._sender_heard = True
            return self._stamp("rtcp", media_us, sender_utc_us)
        if self._sender_heard:
            last_media_us, last_capture_us = self._stamped["rtcp"]
            return self._stamp("rtcp", media_us, last_capture_us + media_us - last_media_us)
        # After a stall pictures arrive in a burst: these go by arrival, not by their media times.
        return self._stamp("arrival", self._arrival_ns // 1000, utc_us)

    def _stamp(self, clock: Clock, elapsed_us: int, capture_us: int) -> Stamp:
        """Never back: a clock that was set back goes on at half speed until the time catches up with it."""
        if clock in self._stamped:
            last_elapsed_us, last_capture_us = self._stamped[clock]
            capture_us = max(capture_us, last_capture_us + (elapsed_us - last_elapsed_us) // 2)
        elif clock in self._last_capture_us:
            capture_us = max(capture_us, self._last_capture_us[clock])
        self._stamped[clock] = (elapsed_us, capture_us)
        self._last_capture_us[clock] = capture_us
        return Stamp(self._media_us, capture_us, clock)
