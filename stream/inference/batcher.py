"""The batcher: takes frames from the cameras' rings, batch by batch.

The inference thread takes batches from it and sleeps in it between them, until `close`. `batch_planning.py` makes the
decisions, without clock or threads; this module waits.

Frames of live cameras that the model need not look at go first, in batches of their own: they cost next to nothing, so
they neither wait for frames that are looked at nor are dropped for them. A batch of other frames starts when it is
full, when its oldest frame has waited `max_wait_ms`, or when no expected frame is worth waiting for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ring_buffers.doorbell import Doorbell
from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, Lease
from stream.inference.batch_planning import (
    FREE,
    MIN_GAIN_NS,
    BatchCost,
    CostEstimate,
    FramePace,
    RingView,
    affordable,
    leave_at,
    share,
)
from stream.settings.engine import BatchConfig
from telemetry.catalogue import BATCH_BUCKETS, SECONDS_BUCKETS
from telemetry.tally import Histogram


class _Member:
    """One ring and its state in the batcher."""

    __slots__ = ("pace", "ring", "staleness_ns", "to_look_at")

    def __init__(self, ring: FrameRing, staleness_ns: int) -> None:
        self.ring = ring
        self.staleness_ns = staleness_ns
        self.pace = FramePace()
        self.to_look_at: tuple[FrameMeta, bool] | None = None
        """The last frame that was found to need a look, and whether it was the newest."""


class Batcher:
    """Takes frames from rings, batch by batch; the caller releases the leases.

    One thread calls `next_batch` and `batch_done`; any thread may call the other methods. The rings get `wake` as
    `on_ready`.
    """

    def __init__(self, config: BatchConfig, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.frames = Histogram(BATCH_BUCKETS)
        """Frames per batch."""
        self.waits = Histogram(SECONDS_BUCKETS)
        """Seconds that each batch's oldest frame had been ready."""
        self.drops_for_newer = True
        """Whether older frames of live cameras are dropped for newer ones if the model is too slow. If not, they wait
        until they are overwritten or stale. Changed by the thread that calls `next_batch` only."""
        self.needs_look: Callable[[FrameMeta, bool], bool] = lambda meta, newest: True
        """Whether the model must look at a camera's oldest ready frame, which may be its newest, too. Changed by the
        same thread."""
        self._max_frames = config.max_frames
        self._budget_s = config.max_batch_ms / 1000
        self._max_wait_ns = int(config.max_wait_ms * 1e6)
        self._estimate = CostEstimate()
        self._now_ns = now_ns
        # Replaced, never changed: the inference thread may be iterating over it.
        self._members: tuple[_Member, ...] = ()
        self.unhurried: frozenset[str] = frozenset()
        """Cameras whose frames wait for the model: files that are read as fast as possible."""
        self._turn = 0
        self._closed = False
        self._interrupted = False
        self._nothing_left = False
        """Whether the last batch took the only frame that was ready. Every change since then has rung the bell."""
        self._bell = Doorbell()
        self.wake = self._bell.ring
        """Check the rings again. Calls before the next check count as one."""

    def add(self, ring: FrameRing, staleness_ns: int) -> None:
        """Add a ring. Ready frames that arrived longer ago than `staleness_ns` are dropped."""
        self._set_members((*self._members, _Member(ring, staleness_ns)))

    def remove(self, ring: FrameRing) -> None:
        """Remove a ring; a batch that is being formed may still take from it. Unknown rings are ignored."""
        self._set_members(tuple(member for member in self._members if member.ring is not ring))

    def set_staleness(self, ring: FrameRing, staleness_ns: int) -> None:
        """Change the age at which ready frames of this ring are dropped. Unknown rings are ignored."""
        for member in self._members:
            if member.ring is ring:
                member.staleness_ns = staleness_ns
        self.wake()

    def interrupt(self) -> None:
        """Make `next_batch` return once without frames: its thread has other work."""
        self._interrupted = True
        self.wake()

    def close(self) -> None:
        """End: `next_batch` returns an empty list from now on."""
        self._closed = True
        self.wake()

    def batch_done(self, seconds: float, frames: int) -> None:
        """Learn that a batch took `seconds`, in which `frames` frames were looked at; waiting adapts to it."""
        self._estimate.batch_done(seconds, frames)

    @property
    def rings(self) -> list[FrameRing]:
        """The rings, in the order in which they were added."""
        return [member.ring for member in self._members]

    @property
    def cost(self) -> BatchCost:
        """The estimated cost of batches."""
        return self._estimate.cost

    def next_batch(self, timeout_s: float | None = None) -> list[Lease]:
        """Wait for the next batch: 1 … `max_frames` leases, in order within a camera, one epoch per camera.

        Return an empty list when closed, when interrupted, and after `timeout_s` without a batch (None: no limit).
        """
        give_up = None if timeout_s is None else self._now_ns() + int(timeout_s * 1e9)
        if self._nothing_left:
            self._nothing_left = False
            self._bell.wait(timeout_s)
        while not self._closed:
            if self._interrupted:
                self._interrupted = False
                return []
            members = self._members
            now = self._now_ns()
            heads = self._heads(members, now)
            until = None
            if heads:
                # Whether there is one frame: the usual case, because cameras are staggered.
                alone = len(heads) == 1 and len(members[next(iter(heads))].ring.waiting) == 1
                places = self._free(members, heads)
                if not places:
                    until = self._plan(members, heads, now)
                    if until is not None and until <= now:
                        places = list(heads) if alone else self._places(members)
                        if places:
                            self._turn = places[-1] + 1
                if places:
                    if batch := self._lease(members, places, now):
                        self._nothing_left = alone
                        return batch
                    continue
            if give_up is not None:
                if now >= give_up:
                    return []
                until = give_up if until is None else min(until, give_up)
            # A frame that became ready since the check has rung, so this returns at once.
            self._bell.wait(None if until is None else (until - now) / 1e9)
        return []

    def _set_members(self, members: tuple[_Member, ...]) -> None:
        self._members = members
        self.unhurried = frozenset(member.ring.camera for member in members if member.ring.policy == "every")
        self.wake()

    @staticmethod
    def _heads(members: Sequence[_Member], now: int) -> dict[int, FrameMeta]:
        """Return the oldest ready frame of each ring that has any, by the ring's place. Drops stale frames."""
        heads: dict[int, FrameMeta] = {}
        for place, member in enumerate(members):
            ring = member.ring
            if not ring.waiting:
                continue
            head = ring.peek()
            if head is not None and now - head.arrival_ns > member.staleness_ns:
                ring.drop_stale(now, member.staleness_ns)
                head = ring.peek()
            if head is not None:
                heads[place] = head
        return heads

    def _free(self, members: Sequence[_Member], heads: Mapping[int, FrameMeta]) -> list[int]:
        """Return the rings whose oldest ready frame needs no look, at most `max_frames`, the oldest frames first.

        Not those of files that are read as fast as possible: of these there is always one.
        """
        free: list[tuple[int, int]] = []
        for place, head in heads.items():
            member = members[place]
            if member.ring.policy == "every":
                continue
            asked = head, len(member.ring.waiting) == 1
            if asked == member.to_look_at:
                continue  # the answer changes only with the frames of the camera
            if self.needs_look(*asked):
                member.to_look_at = asked
            else:
                free.append((head.ready_ns, place))
        return [place for _, place in sorted(free)[: self._max_frames]] if free else []

    def _plan(self, members: Sequence[_Member], heads: Mapping[int, FrameMeta], now: int) -> int | None:
        """Return when the next batch starts (up to `now`: at once); None if no frame is ready any more."""
        cost = self._estimate.cost if self._estimate.waiting_may_pay else FREE
        if cost.fixed_ns < MIN_GAIN_NS:
            return now
        views = [self._view(member, heads.get(place)) for place, member in enumerate(members)]
        return leave_at(now, views, self._max_frames, cost, self._max_wait_ns)

    def _view(self, member: _Member, head: FrameMeta | None) -> RingView:
        ring = member.ring
        due, overdue = None, 0
        if not ring.writer_finished and (head is None or self._may_add_more(ring)):
            due, overdue = member.pace.expected()
        return RingView(0, 0, due, overdue) if head is None else RingView(ring.ready, head.ready_ns, due, overdue)

    def _places(self, members: Sequence[_Member]) -> list[int]:
        """Return the ring of each place in the batch. If the model is too slow, drop older frames of live cameras."""
        ready = [len(member.ring.waiting) for member in members]
        seconds_per_frame = self._estimate.seconds_per_frame
        first = self._turn % len(members)  # cameras may have been removed
        places = share(ready, first, affordable(seconds_per_frame, self._budget_s, self._max_frames))
        too_slow = len(places) < sum(ready) and (seconds_per_frame or 0.0) * sum(ready) > self._budget_s
        if too_slow and self.drops_for_newer:
            # The newest frames of a live camera are worth most, and evenly spaced steps show an action better than
            # bursts and pauses.
            for place in set(places):
                members[place].ring.drop_oldest(ready[place] - places.count(place))
        return places

    @staticmethod
    def _may_add_more(ring: FrameRing) -> bool:
        """Whether to wait for further frames: from a file, which waits for the engine, but not from a live camera."""
        return ring.policy == "every" and ring.ready + ring.leased < ring.slots

    def _lease(self, members: Sequence[_Member], places: Sequence[int], now: int) -> list[Lease]:
        batch: list[Lease] = []
        epochs: dict[int, int] = {}
        oldest = now
        for place in places:
            member = members[place]
            # A camera's next epoch starts in the next batch.
            lease = member.ring.lease(epochs.get(place))
            if lease is not None:
                meta = lease.meta
                epochs[place] = meta.epoch
                oldest = min(oldest, meta.ready_ns)
                member.pace.taken(meta)
                batch.append(lease)
        if batch:
            self.frames.observe(len(batch))
            self.waits.observe((now - oldest) / 1e9)
        return batch
