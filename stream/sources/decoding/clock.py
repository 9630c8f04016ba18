"""CameraClock: converts packet times to the media time and capture time of one camera's frames.

Times are arguments; the system's clock is never read. A clock lasts through all epochs of its camera.

Media time (µs since the epoch's first frame) is the basis for all motion, and never goes backwards within an epoch.
Capture time (µs, UTC) is for people and other systems, and has one of these origins:
- `rtcp`: the camera's own clock, from RTCP sender reports;
- `arrival`: our clock when the picture arrived, if no sender report has arrived yet;
- `media`: for files, the UTC time at the epoch's start plus media time.
For each origin, a camera's capture time never goes backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from ring_buffers.frames import Clock

BACKWARD_LIMIT_US = 500_000
"""A step back up to this is jitter and is clamped; a longer one is a discontinuity."""
FORWARD_LIMIT_US = 2_000_000
"""In one step, media time may advance this much more than arrival (bursts after a stall); more is a discontinuity."""

EARLIEST_SANE_UTC_US = 1_420_070_400_000_000
"""2015. Senders whose clock was never set report earlier times."""


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """Times of a frame."""

    media_us: int
    """Media time since the epoch's first frame."""
    capture_us: int
    """UTC."""
    clock: Clock
    """Origin of `capture_us`."""


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """Media time jumped by `jump_us`: the frame belongs to a new epoch."""

    direction: Literal["backward", "forward"]
    jump_us: int

    def __str__(self) -> str:
        direction = "back" if self.direction == "backward" else "forward"
        return f"media time jumped {direction} by {abs(self.jump_us) / 1e6:.3f} s"


class CameraClock:
    """The clock of one camera. `live` cameras use `arrival` and `rtcp`; files (`live=False`) use `media`."""

    def __init__(self, live: bool = True) -> None:
        self._live = live
        self._last_capture_us: dict[Clock, int] = {}
        self._started = False
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Begin a new epoch with the next frame: media time starts at 0, the clock at `arrival` (or `media`)."""
        self._started = False
        self._sender_heard = False
        self._base_us: int | None = None
        """The PTS at media time 0; None until a packet of the epoch has a PTS."""
        self._media_us = 0
        self._arrival_ns = 0
        self._previous_step_us: int | None = None
        self._start_utc_us = 0
        self._stamped: dict[Clock, tuple[int, int]] = {}
        """Last frame's (elapsed µs, capture µs) for each clock used in this epoch."""

    def stamp(
        self, pts_us: int | None, arrival_ns: int, utc_us: int, sender_utc_us: int | None = None
    ) -> Stamp | Discontinuity:
        """Return the times of the next frame, in order of presentation.

        `pts_us`: presentation time in µs from any origin, or None if the packet has none (FFmpeg's first RTSP packet).
        The frame's distance from the one before is then that of their arrivals, at most one frame interval once PTS
        are known. `arrival_ns`: monotonic, never decreasing. `utc_us`: our wall clock at arrival. `sender_utc_us`:
        capture time by the camera's clock, once known.

        A `Discontinuity` leaves the clock unchanged: call `begin_epoch`, then `stamp` the same frame again.
        """
        if not self._started:
            self._start(pts_us, arrival_ns, utc_us)
            return self._capture(utc_us, sender_utc_us)
        arrived_us = max(0, arrival_ns - self._arrival_ns) // 1000
        if pts_us is None:
            step_us = arrived_us
            if self._base_us is not None and self._previous_step_us is not None:
                # An estimate: after a stall, arrival alone would put it far ahead of the following PTS.
                step_us = min(arrived_us, self._previous_step_us)
        else:
            if self._base_us is None:
                # The epoch's first PTS: align it with the media time of its arrival.
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
        # If a file is read faster than real time, the previous epoch ends in the future.
        self._start_utc_us = max(utc_us, self._last_capture_us.get("media", utc_us))

    def _expected_us(self, arrived_us: int, step_us: int) -> int:
        """Return the expected step of media time: the time between arrivals.

        Files may be read faster than real time, so for them the previous step counts too: frames 5 s apart (time lapse)
        are not jumps.
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
        # After a stall, pictures arrive in a burst: capture times follow arrival, not media time.
        return self._stamp("arrival", self._arrival_ns // 1000, utc_us)

    def _stamp(self, clock: Clock, elapsed_us: int, capture_us: int) -> Stamp:
        """Return the stamp. A clock that was set back continues at half speed until real time catches up with it."""
        if clock in self._stamped:
            last_elapsed_us, last_capture_us = self._stamped[clock]
            capture_us = max(capture_us, last_capture_us + (elapsed_us - last_elapsed_us) // 2)
        elif clock in self._last_capture_us:
            capture_us = max(capture_us, self._last_capture_us[clock])
        self._stamped[clock] = (elapsed_us, capture_us)
        self._last_capture_us[clock] = capture_us
        return Stamp(self._media_us, capture_us, clock)
