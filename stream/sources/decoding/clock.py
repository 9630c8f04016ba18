"""CameraClock: converts packet times to the media time and capture time of one camera's frames.

Times are arguments; the system's clock is never read. A clock lasts through all epochs of its camera.

Media time (µs since the epoch's first frame) is the basis for all motion, and never goes backwards within an epoch.
Capture time (µs, UTC) is for people and other systems, and has one of these origins:
- `rtcp`: the camera's own clock, from RTCP sender reports;
- `arrival`: our clock when the picture arrived, if no sender report has arrived yet;
- `media`: for files, the UTC time at the epoch's start plus media time.
Within an epoch, capture time never goes backwards and is never off by 2 s or more: it follows smaller corrections
gradually, and a clock that is set by more begins a new epoch, in which it is right from the first frame on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import msgspec

from ring_buffers.frames import Clock

BACKWARD_LIMIT_US = 500_000
"""A step back up to this is jitter and is clamped; a longer one is a discontinuity."""
FORWARD_LIMIT_US = 2_000_000
"""In one step, media time may advance this much more than arrival (bursts after a stall); more is a discontinuity."""
STEP_LIMIT_US = 2_000_000
"""Capture time that is off by less follows its clock at half to one and a half times the speed of real time."""

UNSTEADY_STEPS, UNSTEADY_NS, IGNORED_NS = 5, 600_000_000_000, 600_000_000_000
"""A camera whose clock is set `UNSTEADY_STEPS` times within `UNSTEADY_NS` sends unusable reports, each of which would
begin an epoch. They are ignored for `IGNORED_NS`."""

EARLIEST_SANE_UTC_US = 1_420_070_400_000_000
"""2015. Senders whose clock was never set report earlier times."""
LATEST_UTC_US = 8_835_955_200_000_000
"""2250, five years before the largest number of microseconds that messages may have."""

_CLOCK_NAMES: dict[Clock, str] = {
    "rtcp": "the camera's clock",
    "arrival": "this computer's clock",
    "media": "this computer's clock",
}


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


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The clock that capture times are taken from was set by `step_us`: the frame belongs to a new epoch.

    `from_arrival`: the camera's first report since the epoch began differs from our clock by this.
    """

    clock: Clock
    step_us: int
    from_arrival: bool = False

    def __str__(self) -> str:
        seconds = f"{abs(self.step_us) / 1e6:.3f} s"
        if self.from_arrival:
            return f"the camera's clock is {seconds} {'behind' if self.step_us < 0 else 'ahead of'} this computer's"
        return f"{_CLOCK_NAMES[self.clock]} was set {'back' if self.step_us < 0 else 'forward'} by {seconds}"


class CameraClock:
    """The clock of one camera. `live` cameras use `arrival` and `rtcp`; files (`live=False`) use `media`.

    `paced`: a file is read in real time, so that its capture times follow our clock when that is set.
    """

    def __init__(self, live: bool = True, paced: bool = True) -> None:
        self._live = live
        self._paced = paced
        self._end_us: int | None = None
        """Of files: capture time at which the last frame's epoch has arrived."""
        self._our_offset_us: int | None = None
        """Our clock minus monotonic time, at the first frame of the epoch."""
        self._steps_ns: deque[int] = deque(maxlen=UNSTEADY_STEPS)
        """Arrivals of the frames at which the camera's clock was set."""
        self._ignored_until_ns: int | None = None
        self._stepped_ns: int | None = None
        self._started = False
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Begin a new epoch with the next frame: media time starts at 0, the clock at `arrival` (or `media`)."""
        if self._stepped_ns is not None:
            self._note_step(self._stepped_ns)
        self._stepped_ns = None
        self._started = False
        self._base_us: int | None = None
        """The PTS at media time 0; None until a packet of the epoch has a PTS."""
        self._media_us = 0
        self._arrival_ns = 0
        self._previous_step_us: int | None = None
        self._start_utc_us = 0
        self._sender_offset_us: int | None = None
        """The camera's clock minus media time, once it is known."""
        self._clock: Clock = "arrival" if self._live else "media"
        self._capture_us = 0

    def stamp(
        self, pts_us: int | None, arrival_ns: int, utc_us: int, sender_utc_us: int | None = None
    ) -> Stamp | Discontinuity | ClockStep:
        """Return the times of the next frame, in order of presentation.

        `pts_us`: presentation time in µs from any origin, or None if the packet has none (FFmpeg's first RTSP packet).
        The frame's distance from the one before is then that of their arrivals, at most one frame interval once PTS
        are known. `arrival_ns`: monotonic, never decreasing. `utc_us`: our wall clock at arrival. `sender_utc_us`:
        capture time by the camera's clock, once known.

        After a `Discontinuity` or a `ClockStep`, call `begin_epoch`, then `stamp` the same frame again. They leave the
        times unchanged.
        """
        if self._ignored_until_ns is not None and arrival_ns < self._ignored_until_ns:
            sender_utc_us = None
        if not self._started:
            self._start(pts_us, arrival_ns, utc_us, sender_utc_us)
            return Stamp(0, self._capture_us, self._clock)
        arrived_us = max(0, arrival_ns - self._arrival_ns) // 1000
        step_us = self._media_step(pts_us, arrived_us)
        if isinstance(step_us, Discontinuity):
            return step_us
        media_us = self._media_us + max(0, step_us)
        clock, elapsed_us, reading_us = self._reading(media_us, arrived_us, arrival_ns, utc_us, sender_utc_us)
        if not self._live and max(media_us, reading_us) > LATEST_UTC_US:
            return Discontinuity("forward", step_us)
        expected_us = self._capture_us + elapsed_us
        off_us = reading_us - expected_us
        if abs(off_us) >= STEP_LIMIT_US:
            if clock == "rtcp":
                self._stepped_ns = arrival_ns
            return ClockStep(clock, off_us, clock != self._clock)
        self._media_us = media_us
        self._previous_step_us = max(0, step_us)
        self._arrival_ns = max(arrival_ns, self._arrival_ns)
        self._clock = clock
        if sender_utc_us is not None:
            self._sender_offset_us = sender_utc_us - media_us
        if clock == "media":
            self._capture_us = self._end_us = reading_us
        else:
            self._capture_us = expected_us + max(-(elapsed_us // 2), min(elapsed_us // 2, off_us))
        return Stamp(media_us, self._capture_us, clock)

    def _start(self, pts_us: int | None, arrival_ns: int, utc_us: int, sender_utc_us: int | None) -> None:
        self._started = True
        self._base_us = pts_us
        self._arrival_ns = arrival_ns
        if self._live and sender_utc_us is not None:
            self._clock, self._capture_us, self._sender_offset_us = "rtcp", sender_utc_us, sender_utc_us
            return
        self._capture_us = utc_us
        if not self._live:
            if self._end_us is not None:
                # If a file is read faster than real time, the previous epoch ends in the future.
                step_us = self._our_step_us(arrival_ns, utc_us)
                end_us = self._end_us + (step_us if abs(step_us) >= STEP_LIMIT_US else 0)
                self._capture_us = max(utc_us, end_us if end_us <= LATEST_UTC_US else 0)
            self._our_offset_us = utc_us - arrival_ns // 1000
            self._start_utc_us = self._end_us = self._capture_us

    def _media_step(self, pts_us: int | None, arrived_us: int) -> int | Discontinuity:
        if pts_us is None:
            if self._base_us is not None and self._previous_step_us is not None:
                # An estimate: after a stall, arrival alone would put it far ahead of the following PTS.
                return min(arrived_us, self._previous_step_us)
            return arrived_us
        if self._base_us is None:
            # The epoch's first PTS: align it with the media time of its arrival.
            self._base_us = pts_us - self._media_us - arrived_us
        step_us = pts_us - self._base_us - self._media_us
        if step_us < -BACKWARD_LIMIT_US:
            return Discontinuity("backward", step_us)
        if step_us - self._expected_us(arrived_us, step_us) > FORWARD_LIMIT_US:
            return Discontinuity("forward", step_us)
        return step_us

    def _expected_us(self, arrived_us: int, step_us: int) -> int:
        """Return the expected step of media time: the time between arrivals.

        Files may be read faster than real time, so for them the previous step counts too: frames 5 s apart (time lapse)
        are not jumps.
        """
        if self._live:
            return arrived_us
        return max(arrived_us, step_us if self._previous_step_us is None else self._previous_step_us)

    def _reading(
        self, media_us: int, arrived_us: int, arrival_ns: int, utc_us: int, sender_utc_us: int | None
    ) -> tuple[Clock, int, int]:
        """Return the clock to use, by how much it should have advanced since the last frame, and what it shows."""
        step_us = media_us - self._media_us
        if not self._live:
            set_us = self._our_step_us(arrival_ns, utc_us) if self._paced else 0
            capture_us = self._start_utc_us + media_us
            return "media", step_us, capture_us + (set_us if abs(set_us) >= STEP_LIMIT_US else 0)
        if sender_utc_us is not None:
            return "rtcp", step_us, sender_utc_us
        if self._sender_offset_us is not None:
            return "rtcp", step_us, media_us + self._sender_offset_us
        # After a stall, pictures arrive in a burst: capture times follow arrival, not media time.
        return "arrival", arrived_us, utc_us

    def _our_step_us(self, arrival_ns: int, utc_us: int) -> int:
        """Return by how much our clock was set since the epoch's first frame."""
        return 0 if self._our_offset_us is None else utc_us - arrival_ns // 1000 - self._our_offset_us

    def _note_step(self, arrival_ns: int) -> None:
        self._steps_ns.append(arrival_ns)
        if len(self._steps_ns) == UNSTEADY_STEPS and arrival_ns - self._steps_ns[0] < UNSTEADY_NS:
            self._ignored_until_ns = arrival_ns + IGNORED_NS
            self._steps_ns.clear()
