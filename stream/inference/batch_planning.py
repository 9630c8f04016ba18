"""When a batch starts and which frames are in it, from ready frames, expected frames and the cost of batches.

Pure functions and small classes; times are arguments, in monotonic nanoseconds.

Why a batch waits: n frames cost fixed + n x per-frame. With p frames ready, waiting t for one more delays each of the p
by t + per-frame, and makes the new frame earlier by fixed - t, because it needs no batch of its own. Waiting pays if
p (t + per-frame) + t < fixed. So a model without cost never waits, nor does one whose whole cost is per frame (most
CPUs). One with a fixed cost (a GPU that a few frames do not fill) waits longer, the higher that cost is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ring_buffers.frames import FrameMeta

MIN_GAIN_NS = 1_000_000
"""Fixed cost of a batch below which waiting is not worthwhile: timers are no finer."""


class RingView(NamedTuple):
    """One ring at an instant."""

    ready: int
    """Ready frames."""
    oldest_ready_ns: int
    """Time at which the oldest of them became ready; any value if there is none."""
    due_ns: int | None
    """Time at which its next frame is expected; None if unknown or not to be waited for."""
    overdue_ns: int
    """Time from which that frame is no longer expected."""


class BatchCost(NamedTuple):
    """Cost of a batch of n frames: fixed + n x per frame."""

    fixed_ns: int
    per_frame_ns: int


FREE = BatchCost(0, 0)


def leave_at(now_ns: int, rings: Sequence[RingView], max_frames: int, cost: BatchCost, max_wait_ns: int) -> int | None:
    """Return when to plan again. A time up to `now_ns`: the batch starts now. None: no frame is ready."""
    ready = sum(ring.ready for ring in rings)
    if ready == 0:
        return None
    if ready >= max_frames or cost.fixed_ns < MIN_GAIN_NS:
        return now_ns
    deadline = min(ring.oldest_ready_ns for ring in rings if ring.ready) + max_wait_ns
    if deadline <= now_ns:
        return now_ns
    # The longest wait for one more frame that pays.
    worth_ns = (cost.fixed_ns - ready * cost.per_frame_ns) // (ready + 1)
    if worth_ns <= 0:
        return now_ns
    latest_due = min(deadline, now_ns + worth_ns)
    until = now_ns
    for ring in rings:
        # A camera that is already overdue is not waited for.
        if ring.due_ns is not None and ring.due_ns <= latest_due:
            until = max(until, ring.overdue_ns)
    return min(until, deadline)


def affordable(seconds_per_frame: float | None, budget_s: float, max_frames: int) -> int:
    """Return how many frames, 1 … `max_frames`, a batch can have within its time budget.

    `seconds_per_frame` is the cost of a frame in recent batches; None before the first, which then has one frame.
    """
    if seconds_per_frame is None:
        return 1
    if seconds_per_frame * max_frames <= budget_s:
        return max_frames
    return max(1, int(budget_s / seconds_per_frame + 1e-9))  # 0.15 / 0.05 is 3 frames, not 2.999…


def share(ready: Sequence[int], first: int, max_frames: int) -> list[int]:
    """Return the ring of each place in the batch: one frame per camera in turn, beginning with ring `first`."""
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
    """The interval of a camera's frames, learned from those that were taken."""

    epoch: int = 0
    frame: int = 0
    ready_ns: int = 0
    interval_ns: float = 0.0

    SMOOTHING = 0.1
    PATIENCE = 0.25
    """Share of the interval by which a frame may be late; after that it is not waited for."""

    def taken(self, meta: FrameMeta) -> None:
        """Learn from a frame that was taken; frames dropped before it are taken into account."""
        frames = meta.frame - self.frame
        if meta.epoch == self.epoch and frames > 0:
            interval = (meta.ready_ns - self.ready_ns) / frames
            self.interval_ns += (interval - self.interval_ns) * (self.SMOOTHING if self.interval_ns else 1.0)
        self.epoch, self.frame, self.ready_ns = meta.epoch, meta.frame, meta.ready_ns

    def expected(self) -> tuple[int | None, int]:
        """Return when the next frame is due and from when it is overdue; (None, 0) before the interval is known."""
        if not self.interval_ns:
            return None, 0
        due = self.ready_ns + int(self.interval_ns)
        return due, due + int(self.interval_ns * self.PATIENCE)


class CostEstimate:
    """Estimates the cost of batches as a line through (frames, time), weighted towards recent batches."""

    MEMORY = 0.97
    """Weight of a batch after the next one; it halves after 23 batches."""
    MIN_SPREAD = 0.05
    """Variance of batch sizes below which the slope is unknown and the whole cost counts as fixed. Batches then wait
    until larger ones give a slope."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._frames = 0.0
        self._time = 0.0
        self._frames_squared = 0.0
        self._frames_time = 0.0

    @property
    def waiting_may_pay(self) -> bool:
        """Whether batches take long enough, in all, for waiting to be worthwhile."""
        return self._time * 1e9 >= MIN_GAIN_NS * self._weight

    @property
    def seconds_per_frame(self) -> float | None:
        """Time per frame in recent batches; None before the first."""
        return self._time / self._frames if self._frames else None

    def batch_done(self, seconds: float, frames: int) -> None:
        """Learn that a batch of `frames` frames took `seconds`."""
        keep = self.MEMORY
        self._weight = self._weight * keep + 1
        self._frames = self._frames * keep + frames
        self._time = self._time * keep + seconds
        self._frames_squared = self._frames_squared * keep + frames * frames
        self._frames_time = self._frames_time * keep + frames * seconds

    @property
    def cost(self) -> BatchCost:
        """The present estimate."""
        if not self._weight:
            return BatchCost(0, 0)
        mean_frames = self._frames / self._weight
        mean_time = self._time / self._weight
        spread = self._frames_squared / self._weight - mean_frames**2
        slope = 0.0
        if spread > self.MIN_SPREAD:
            slope = (self._frames_time / self._weight - mean_frames * mean_time) / spread
            slope = min(max(slope, 0.0), mean_time / mean_frames)
        return BatchCost(int((mean_time - slope * mean_frames) * 1e9), int(slope * 1e9))
