"""When a batch leaves, and whose frames are in it: pure functions of what is ready, what is expected and what it costs.

Nothing here owns anything or reads a clock; times are arguments, monotonic nanoseconds.

Why wait at all: a batch of n frames costs fixed + n x per-frame. With p frames in hand, waiting t for one more makes
each of the p later by t + per-frame, and the newcomer earlier by fixed - t, for it doesn't have to wait for a batch of
its own. It pays if p (t + per-frame) + t < fixed. So a model that costs nothing never waits, nor does one whose cost
is all per frame (most CPUs); one whose cost is fixed (a GPU that a few frames don't fill) waits the longer, the dearer
it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ring_buffers.frames import FrameMeta

LEAST_GAIN_NS = 1_000_000
"""Batches whose fixed cost is below this aren't worth waiting for: the event loop's timer is no finer."""


class RingView(NamedTuple):
    """One ring, as the planner sees it at an instant."""

    ready: int
    """Frames ready to be taken."""
    oldest_ready_ns: int
    """When the oldest of them became ready (any value if there is none)."""
    due_ns: int | None
    """When its next frame is expected; None if that isn't known, or if it wouldn't be waited for."""
    overdue_ns: int
    """From then on it is no longer expected."""


class BatchCost(NamedTuple):
    """What a batch of n frames takes: fixed + n x per frame."""

    fixed_ns: int
    per_frame_ns: int


FREE = BatchCost(0, 0)


def leave_at(now_ns: int, rings: Sequence[RingView], max_frames: int, cost: BatchCost, max_wait_ns: int) -> int | None:
    """When to look again: at or before `now_ns` means that the batch leaves now, None that nothing is ready."""
    ready = sum(ring.ready for ring in rings)
    if ready == 0:
        return None
    if ready >= max_frames or cost.fixed_ns < LEAST_GAIN_NS:
        return now_ns
    deadline = min(ring.oldest_ready_ns for ring in rings if ring.ready) + max_wait_ns
    if deadline <= now_ns:
        return now_ns
    # The longest that waiting for one more frame pays.
    worth_ns = (cost.fixed_ns - ready * cost.per_frame_ns) // (ready + 1)
    if worth_ns <= 0:
        return now_ns
    latest_due = min(deadline, now_ns + worth_ns)
    until = now_ns
    for ring in rings:
        # Whoever is overdue already doesn't make it later.
        if ring.due_ns is not None and ring.due_ns <= latest_due:
            until = max(until, ring.overdue_ns)
    return min(until, deadline)


def affordable(seconds_a_frame: float | None, budget_s: float, max_frames: int) -> int:
    """How many frames a batch may have, so that it takes no longer than its budget: 1 … `max_frames`.

    `seconds_a_frame` is what a frame has cost in batches lately, None before the first: then one frame finds out.
    """
    if seconds_a_frame is None:
        return 1
    if seconds_a_frame * max_frames <= budget_s:
        return max_frames
    return max(1, int(budget_s / seconds_a_frame + 1e-9))  # 0.15 / 0.05 is 3 frames, not 2.999…


def share(ready: Sequence[int], first: int, max_frames: int) -> list[int]:
    """Whose frame is taken at each place of the batch: in turns, a frame a camera, beginning with ring `first`."""
    left = list(ready)
    places: list[int] = []
    turns = [*range(first, len(left)), *range(first)]
    while len(places) < max_frames:
        turns = [ring for ring in turns if left[ring] > 0]
        if not turns:
            break
        for ring in turns[: max_frames - len(places)]:
            left[ring] -= 1
            places.append(ring)
    return places


@dataclass(slots=True)
class FramePace:
    """How often a camera's frames become ready, learned from those that were taken."""

    epoch: int = 0
    frame: int = 0
    ready_ns: int = 0
    interval_ns: float = 0.0

    SMOOTHING = 0.1
    PATIENCE = 0.25
    """A frame late by this share of its interval is no longer waited for: the camera may have stalled."""

    def taken(self, meta: FrameMeta) -> None:
        """A frame of the camera was taken. Frames dropped between it and the one before are allowed for."""
        frames = meta.frame - self.frame
        if meta.epoch == self.epoch and frames > 0:
            interval = (meta.ready_ns - self.ready_ns) / frames
            self.interval_ns += (interval - self.interval_ns) * (self.SMOOTHING if self.interval_ns else 1.0)
        self.epoch, self.frame, self.ready_ns = meta.epoch, meta.frame, meta.ready_ns

    def expected(self) -> tuple[int | None, int]:
        """When the next frame is due, and from when it is overdue; (None, 0) before the pace is known."""
        if not self.interval_ns:
            return None, 0
        due = self.ready_ns + int(self.interval_ns)
        return due, due + int(self.interval_ns * self.PATIENCE)


class CostEstimate:
    """Learns what batches cost, as a line through (frames, time) that forgets: recent batches count most."""

    MEMORY = 0.97
    """What a batch counts after the next one: half of it is forgotten after 23 batches."""
    LEAST_SPREAD = 0.05
    """Variance of the frames a batch below which the line's slope can't be told: then all of the cost counts as fixed.
    So batches are waited for until there are larger ones to learn from."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._frames = 0.0
        self._time = 0.0
        self._frames_squared = 0.0
        self._frames_time = 0.0

    @property
    def may_reward_waiting(self) -> bool:
        """False where batches take less, all of it, than waiting is worth: then nobody needs to know more."""
        return self._time * 1e9 >= LEAST_GAIN_NS * self._weight

    @property
    def seconds_a_frame(self) -> float | None:
        """A frame's share of what batches took lately; None before the first."""
        return self._time / self._frames if self._frames else None

    def batch_done(self, seconds: float, frames: int) -> None:
        """A batch of `frames` frames took `seconds`."""
        if frames < 1 or seconds < 0:
            raise ValueError(f"a batch has at least one frame and takes no less than no time, not {frames}, {seconds}")
        keep = self.MEMORY
        self._weight = self._weight * keep + 1
        self._frames = self._frames * keep + frames
        self._time = self._time * keep + seconds
        self._frames_squared = self._frames_squared * keep + frames * frames
        self._frames_time = self._frames_time * keep + frames * seconds

    @property
    def cost(self) -> BatchCost:
        """The line now."""
        if not self._weight:
            return BatchCost(0, 0)
        mean_frames = self._frames / self._weight
        mean_time = self._time / self._weight
        spread = self._frames_squared / self._weight - mean_frames**2
        slope = 0.0
        if spread > self.LEAST_SPREAD:
            slope = (self._frames_time / self._weight - mean_frames * mean_time) / spread
            slope = min(max(slope, 0.0), mean_time / mean_frames)
        return BatchCost(int((mean_time - slope * mean_frames) * 1e9), int(slope * 1e9))
