"""Batcher: which frames go into the next batch, and when it leaves.

Owns nothing but its list of rings; rings and leases are the engine's. The inference thread takes batches from it and
sleeps in it between them; it ends with `close`. What it decides is in `batch_planning.py`, without a clock or a thread;
this is the shell that waits.

A batch leaves when it is full, when its oldest frame has waited `max_wait_ms`, or as soon as no frame is expected that
would be worth waiting for: for a model that costs nothing none ever is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ring_buffers.doorbell import Doorbell
from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, Lease
from stream.inference.batch_planning import (
    FREE,
    LEAST_GAIN_NS,
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
    """One ring and what the batcher knows of it."""

    __slots__ = ("pace", "ring", "staleness_ns")

    def __init__(self, ring: FrameRing, staleness_ns: int) -> None:
        self.ring = ring
        self.staleness_ns = staleness_ns
        self.pace = FramePace()


class Batcher:
    """Takes frames from rings, batch by batch; the caller releases the leases.

    One thread calls `next_batch` and `batch_done`. The other methods may be called from any thread; `wake` is what the
    rings are given as `on_ready`.
    """

    def __init__(self, config: BatchConfig, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.frames = Histogram(BATCH_BUCKETS)
        """Frames a batch."""
        self.waits = Histogram(SECONDS_BUCKETS)
        """How long each batch's oldest frame had been ready, seconds."""
        self._max_frames = config.max_frames
        self._budget_s = config.max_batch_ms / 1000
        self._max_wait_ns = int(config.max_wait_ms * 1e6)
        self._estimate = CostEstimate()
        self._now_ns = now_ns
        # Replaced, never changed: the inference thread may be going through it.
        self._members: tuple[_Member, ...] = ()
        self._turn = 0
        self._closed = False
        self._interrupted = False
        self._bell = Doorbell()
        self.wake = self._bell.ring
        """Look at the rings again. Many calls while nobody looks cost one look."""

    def add(self, ring: FrameRing, staleness_ns: int) -> None:
        """Take frames from this ring too; ready ones that arrived longer ago than `staleness_ns` are dropped."""
        if any(member.ring is ring for member in self._members):
            raise ValueError(f"camera {ring.camera}: its ring was added to the batcher before")
        self._members = (*self._members, _Member(ring, staleness_ns))
        self.wake()

    def remove(self, ring: FrameRing) -> None:
        """Take nothing more from this ring, but for a batch being formed now. Unknown rings are ignored."""
        self._members = tuple(member for member in self._members if member.ring is not ring)
        self.wake()

    def set_staleness(self, ring: FrameRing, staleness_ns: int) -> None:
        """From now on ready frames of this ring are dropped at another age. Unknown rings are ignored."""
        for member in self._members:
            if member.ring is ring:
                member.staleness_ns = staleness_ns
        self.wake()

    def interrupt(self) -> None:
        """Let `next_batch` return, without frames, once: its thread is wanted elsewhere."""
        self._interrupted = True
        self.wake()

    def close(self) -> None:
        """No more batches: `next_batch` returns an empty list, now and for ever."""
        self._closed = True
        self.wake()

    def batch_done(self, seconds: float, frames: int) -> None:
        """A batch of so many frames took so long: the waiting tunes itself to it."""
        self._estimate.batch_done(seconds, frames)

    @property
    def cost(self) -> BatchCost:
        """What batches are found to cost."""
        return self._estimate.cost

    def next_batch(self, timeout_s: float | None = None) -> list[Lease]:
        """The next batch: 1 … `max_frames` leases, in order within a camera, one epoch a camera. Waits for it.

        Empty when closed, when interrupted, and when there is none within `timeout_s` (None: however long it takes).
        """
        give_up = None if timeout_s is None else self._now_ns() + int(timeout_s * 1e9)
        while not self._closed:
            if self._interrupted:
                self._interrupted = False
                return []
            members = self._members
            now = self._now_ns()
            until = self._plan(members, now)
            if until is not None and until <= now:
                batch = self._take(members, now)
                if batch:
                    return batch
                continue
            if give_up is not None:
                if now >= give_up:
                    return []
                until = give_up if until is None else min(until, give_up)
            # A frame that came after the look has rung, so this returns at once.
            self._bell.wait(None if until is None else (until - now) / 1e9)
        return []

    def _plan(self, members: Sequence[_Member], now: int) -> int | None:
        """When the next batch leaves (now or before: at once), None if there is nothing to take. Drops stale frames."""
        cost = self._estimate.cost if self._estimate.may_reward_waiting else FREE
        waiting_may_pay = cost.fixed_ns >= LEAST_GAIN_NS
        views: list[RingView] = []
        any_ready = False
        for member in members:
            ring = member.ring
            head = ring.peek()
            if head is not None and now - head.arrival_ns > member.staleness_ns:
                ring.drop_stale(now, member.staleness_ns)
                head = ring.peek()
            any_ready = any_ready or head is not None
            if waiting_may_pay:
                views.append(self._view(member, head))
        if not waiting_may_pay:
            return now if any_ready else None
        return leave_at(now, views, self._max_frames, cost, self._max_wait_ns)

    def _view(self, member: _Member, head: FrameMeta | None) -> RingView:
        ring = member.ring
        due, overdue = None, 0
        if not ring.writer_finished and (head is None or self._may_add_more(ring)):
            due, overdue = member.pace.expected()
        return RingView(0, 0, due, overdue) if head is None else RingView(ring.ready, head.ready_ns, due, overdue)

    def _places(self, members: Sequence[_Member], ready: list[int]) -> list[int]:
        """Whose frames the batch has. Where the model can't keep up, older frames of live cameras give way."""
        a_frame = self._estimate.seconds_a_frame
        first = self._turn % len(members)  # cameras may have gone since
        places = share(ready, first, affordable(a_frame, self._budget_s, self._max_frames))
        if len(places) < sum(ready) and (a_frame or 0.0) * sum(ready) > self._budget_s:
            # Of each live camera whose turn it is, its newest frames are worth most, and steps evenly apart tell more
            # of an action than a burst and a pause.
            for place in set(places):
                members[place].ring.drop_oldest(ready[place] - places.count(place))
        return places

    @staticmethod
    def _may_add_more(ring: FrameRing) -> bool:
        """A live camera that has a frame here isn't waited for again; a file, which waits for us, is."""
        return ring.policy == "every" and ring.ready + ring.leased < ring.slots

    def _take(self, members: Sequence[_Member], now: int) -> list[Lease]:
        batch: list[Lease] = []
        epochs: dict[int, int] = {}
        ready = [member.ring.ready for member in members]
        # One frame is the usual case, of staggered cameras.
        for place in [ready.index(1)] if sum(ready) == 1 else self._places(members, ready):
            member = members[place]
            # A camera's next epoch begins in the next batch.
            lease = member.ring.lease(epochs.get(place))
            if lease is not None:
                epochs[place] = lease.meta.epoch
                member.pace.taken(lease.meta)
                batch.append(lease)
                self._turn = place + 1
        if batch:
            oldest = min(lease.meta.ready_ns for lease in batch)
            self.frames.observe(len(batch))
            self.waits.observe(max(0, now - oldest) / 1e9)
        return batch
