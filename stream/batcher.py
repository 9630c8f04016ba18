"""Batcher: which frames go into the next batch, and when it leaves.

Owns nothing but its list of rings; rings and leases are the engine's. It lives in the engine's event loop, and ends
with `close`. What it decides is in `batch_planning.py`, without a clock or a loop; this is the shell that waits.

A batch leaves when it is full, when its oldest frame has waited `max_wait_ms`, or as soon as no frame is expected that
would be worth waiting for: for a model that costs nothing none ever is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, Lease
from stream.batch_planning import (
    LEAST_GAIN_NS,
    BatchCost,
    CostEstimate,
    FramePace,
    RingView,
    affordable,
    leave_at,
    share,
)
from stream.config import BatchConfig
from telemetry.observer import Observer


class _Member:
    """One ring and what the batcher knows of it."""

    __slots__ = ("pace", "ring", "staleness_ns")

    def __init__(self, ring: FrameRing, staleness_ns: int) -> None:
        self.ring = ring
        self.staleness_ns = staleness_ns
        self.pace = FramePace()


class Batcher:
    """Takes frames from rings, batch by batch. One `next_batch` at a time; the caller releases the leases.

    All methods are for the loop's thread, except `wake_threadsafe`: give that to the rings as `on_ready`.
    """

    def __init__(
        self, config: BatchConfig, observer: Observer | None = None, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._max_frames = config.max_frames
        self._budget_s = config.max_batch_ms / 1000
        self._max_wait_ns = int(config.max_wait_ms * 1e6)
        self._estimate = CostEstimate()
        self._observer = observer or Observer()
        self._now_ns = now_ns
        self._members: list[_Member] = []
        self._turn = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleeper: asyncio.Future[None] | None = None
        # True while a wake-up is wanted and none is under way: rings that fill while a batch is being worked on, or
        # while one wake-up is on its way, cost the loop nothing.
        self._armed = False

    def add(self, ring: FrameRing, staleness_ns: int) -> None:
        """Take frames from this ring too; ready ones that arrived longer ago than `staleness_ns` are dropped."""
        if any(member.ring is ring for member in self._members):
            raise ValueError(f"camera {ring.camera}: its ring was added to the batcher before")
        self._members.append(_Member(ring, staleness_ns))
        self.wake()

    def remove(self, ring: FrameRing) -> None:
        """Take nothing more from this ring. Leases that are out stay valid. Unknown rings are ignored."""
        self._members = [member for member in self._members if member.ring is not ring]
        self._turn = 0
        self.wake()

    def close(self) -> None:
        """No more batches: `next_batch` returns an empty list, now and for ever."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Look at the rings again. In the loop's thread."""
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def wake_threadsafe(self) -> None:
        """Look at the rings again; from any thread. Many calls cost the loop one wake-up."""
        if not self._armed:
            return
        self._armed = False
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self.wake)
        except RuntimeError:
            # The loop is closed: the engine has stopped, and nobody waits for frames any more.
            return

    def batch_done(self, seconds: float, frames: int) -> None:
        """A batch of so many frames took so long: the waiting tunes itself to it."""
        self._estimate.batch_done(seconds, frames)

    @property
    def cost(self) -> BatchCost:
        """What batches are found to cost."""
        return self._estimate.cost

    async def next_batch(self) -> list[Lease]:
        """The next batch: 1 … `max_frames` leases, in order within a camera, one epoch a camera. Empty when closed."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        try:
            while not self._closed:
                # Armed before looking: a frame that comes after the look wakes us.
                self._armed = True
                now = self._now_ns()
                until = self._plan(now)
                if until is not None and until <= now:
                    self._armed = False
                    batch = self._take(now)
                    if batch:
                        return batch
                    continue
                await self._sleep(None if until is None else (until - now) / 1e9)
            return []
        finally:
            self._armed = False

    async def _sleep(self, seconds: float | None) -> None:
        assert self._loop is not None
        if self._sleeper is not None:
            raise RuntimeError("next_batch was called while another call of it is waiting")
        self._sleeper = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self.wake)
        try:
            await self._sleeper
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()

    def _plan(self, now: int) -> int | None:
        """When the next batch leaves (now or before: at once), None if there is nothing to take. Drops stale frames."""
        waiting_may_pay = self._estimate.cost.fixed_ns >= LEAST_GAIN_NS
        views: list[RingView] = []
        any_ready = False
        for member in self._members:
            ring = member.ring
            head = ring.peek() if ring.ready else None
            if head is not None and now - head.arrival_ns > member.staleness_ns:
                ring.drop_stale(now, member.staleness_ns)
                head = ring.peek()
            any_ready = any_ready or head is not None
            if waiting_may_pay:
                views.append(self._view(member, head))
        if not waiting_may_pay:
            return now if any_ready else None
        return leave_at(now, views, self._max_frames, self._estimate.cost, self._max_wait_ns)

    def _view(self, member: _Member, head: FrameMeta | None) -> RingView:
        ring = member.ring
        due, overdue = None, 0
        if not ring.writer_finished and (head is None or self._may_add_more(ring)):
            due, overdue = member.pace.expected()
        return RingView(0, 0, due, overdue) if head is None else RingView(ring.ready, head.ready_ns, due, overdue)

    def _places(self, ready: list[int], a_frame: float | None) -> list[int]:
        """Whose frames the batch has. Where the model can't keep up, older frames of live cameras give way."""
        places = share(ready, self._turn, affordable(a_frame, self._budget_s, self._max_frames))
        if len(places) < sum(ready) and (a_frame or 0.0) * sum(ready) > self._budget_s:
            # Of each live camera whose turn it is, its newest frames are worth most, and steps evenly apart tell more
            # of an action than a burst and a pause.
            for place in set(places):
                self._members[place].ring.drop_oldest(ready[place] - places.count(place))
        return places

    @staticmethod
    def _may_add_more(ring: FrameRing) -> bool:
        """A live camera that has a frame here isn't waited for again; a file, which waits for us, is."""
        return ring.policy == "every" and ring.ready + ring.leased < ring.slots

    def _take(self, now: int) -> list[Lease]:
        members = self._members
        batch: list[Lease] = []
        epochs: dict[int, int] = {}
        a_frame = self._estimate.seconds_a_frame
        ready = [member.ring.ready for member in members]
        # One frame is the usual case, of staggered cameras.
        places = [ready.index(1)] if sum(ready) == 1 else self._places(ready, a_frame)
        for place in places:
            member = members[place]
            # A camera's next epoch begins in the next batch.
            lease = member.ring.lease(epochs.get(place))
            if lease is not None:
                epochs[place] = lease.meta.epoch
                member.pace.taken(lease.meta)
                batch.append(lease)
                self._turn = (place + 1) % len(members)
        if batch:
            oldest = min(lease.meta.ready_ns for lease in batch)
            self._observer.batch_formed(len(batch), max(0, now - oldest) / 1e9)
        return batch
