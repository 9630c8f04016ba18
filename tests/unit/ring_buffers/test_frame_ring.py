"""FrameRing: every frame is accounted for, none is overwritten while leased, and no thread waits forever."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, Lease, SlotFormat, WriteSlot
from support.examples import examples
from support.waiting import PATIENCE_S, wait_until, waits
from telemetry.reasons import DropReason

SMALL = SlotFormat("planes", (4, 2), (4, 2))
LARGE = SlotFormat("planes", (8, 4), (8, 4))
SQUARE = SlotFormat("rgb24", (4, 4), (4, 4))
SQUARE_BANDED = SlotFormat("rgb24", (4, 4), (4, 2))


def meta_of(frame: int, epoch: int = 1, format: SlotFormat = SMALL, arrival_ns: int = 0) -> FrameMeta:
    return FrameMeta(
        "cam", epoch, frame, frame * 40_000, 0, "arrival", arrival_ns, arrival_ns, format.size, format
    )  # fmt: skip


def put(ring: FrameRing, frame: int, epoch: int = 1, format: SlotFormat = SMALL, arrival_ns: int = 0) -> bool:
    slot = ring.acquire()
    if slot is None:
        return False
    slot.picture.fill(frame % 256)
    ring.commit(slot, meta_of(frame, epoch, format, arrival_ns))
    return True


def taken(ring: FrameRing) -> Lease:
    lease = ring.lease()
    assert lease is not None
    return lease


def acquired(ring: FrameRing) -> WriteSlot:
    slot = ring.acquire()
    assert slot is not None
    return slot


def started(slots: int = 3, policy="latest", **arguments) -> FrameRing:
    ring = FrameRing("cam", slots, policy, **arguments)
    ring.begin_epoch(1, SMALL)
    return ring


class WaitingWriter:
    """A thread that waits in `acquire` for a slot of a full ring."""

    def __init__(self, ring: FrameRing) -> None:
        self._slots: list[WriteSlot | None] = []
        self._thread = threading.Thread(target=lambda: self._slots.append(ring.acquire(PATIENCE_S)), daemon=True)
        self._thread.start()
        wait_until(lambda: waits(self._thread))

    def outcome(self) -> WriteSlot | None:
        self._thread.join()
        return self._slots[0]


@pytest.mark.parametrize("end", [FrameRing.finish, FrameRing.close])
def test_a_ring_that_has_finished_holds_no_memory_but_a_lease_keeps_its_picture(end: Callable[[FrameRing], None]):
    ring = started()
    slot = acquired(ring)
    slot.picture.fill(7)
    ring.commit(slot, meta_of(0))
    lease = taken(ring)
    end(ring)
    assert ring.nbytes > 0
    assert lease.picture.min() == 7
    ring.release(lease)
    assert ring.finished and ring.nbytes == 0


def test_a_full_ring_of_a_file_makes_the_writer_wait_and_counts_nothing():
    ring = started(slots=1, policy="every")
    put(ring, 0)
    assert ring.acquire(timeout_s=0.05) is None
    assert ring.counts().decoded == 1 and ring.dropped == {}


def test_a_waiting_writer_continues_when_a_lease_is_released():
    ring = started(slots=1, policy="every")
    put(ring, 0)
    lease = taken(ring)
    writer = WaitingWriter(ring)
    ring.release(lease)
    assert writer.outcome() is not None


def test_closing_wakes_a_waiting_writer_and_accounts_for_its_frame():
    ring = started(slots=1, policy="every")
    put(ring, 0)
    writer = WaitingWriter(ring)
    ring.close()
    assert writer.outcome() is None
    assert ring.dropped == {"shutdown": 2}
    assert ring.decoded == 2


def test_the_end_of_the_stream_is_seen_after_the_last_frame():
    ring = started()
    put(ring, 0)
    assert not ring.writer_finished
    ring.finish()
    ring.finish()
    assert ring.writer_finished and not ring.finished
    lease = taken(ring)
    assert not ring.finished
    ring.release(lease)
    assert ring.finished


def test_the_reader_is_told_of_frames_and_of_the_end_outside_the_lock():
    calls: list[tuple[int, bool]] = []
    ring: FrameRing

    def look() -> None:
        # `finished` takes the lock: this hangs if the ring still holds it.
        calls.append((ring.ready, ring.finished))

    ring = started(on_ready=look)
    put(ring, 0)
    ring.finish()
    ring.release(taken(ring))
    assert calls == [(1, False), (1, False), (0, True)]


@pytest.mark.parametrize("policy", ["latest", "every"])
def test_between_two_threads_every_frame_is_accounted_for(policy):
    something = threading.Event()
    ring = started(slots=3, policy=policy, on_ready=something.set)
    frames = 3000
    seen: list[int] = []
    torn: list[int] = []

    def write() -> None:
        for frame in range(frames):
            while (slot := ring.acquire(timeout_s=PATIENCE_S)) is None and policy == "every":
                pass
            if slot is not None:
                slot.picture.fill(frame % 256)
                ring.commit(slot, meta_of(frame))
        ring.finish()

    writer = threading.Thread(target=write)
    writer.start()
    while not ring.finished:
        something.wait()
        something.clear()
        while (lease := ring.lease()) is not None:
            before = lease.picture.copy()
            if policy == "latest" and len(seen) % 50 == 0:  # a slow reader, whom the writer overtakes
                overtaken = ring.decoded + 4
                wait_until(lambda overtaken=overtaken: ring.decoded >= overtaken or ring.writer_finished)
            if not ((lease.picture == lease.meta.frame % 256).all() and (before == lease.picture).all()):
                torn.append(lease.meta.frame)
            seen.append(lease.meta.frame)
            ring.release(lease)
    writer.join()
    assert torn == []
    assert seen == sorted(set(seen))
    assert seen[-1] == frames - 1
    counts = ring.counts()
    assert counts.decoded == frames == counts.processed + sum(counts.dropped.values())
    assert counts.processed == len(seen)
    if policy == "every":
        assert seen == list(range(frames))


@dataclass
class Held:
    lease: Lease
    stamp: int


class RingMachine(RuleBasedStateMachine):
    """Any order of calls, compared with a queue of frame numbers as a model of the ring."""

    @initialize(slots=st.integers(1, 4), policy=st.sampled_from(["latest", "every"]))
    def build(self, slots, policy):
        self.wakes = 0
        self.slots = slots
        self.policy = policy
        self.ring = FrameRing("cam", slots, policy, on_ready=self.woken)
        self.epoch = 0
        self.format = SMALL
        self.frame = 0
        self.clock = 0
        self.writing: WriteSlot | None = None
        self.ready: deque[tuple[FrameMeta, int]] = deque()
        self.held: list[Held] = []
        self.decoded = 0
        self.processed = 0
        self.dropped: Counter[str] = Counter()
        self.stamp = 0
        self.writer_finished = False
        self.closed = False

    def woken(self):
        self.wakes += 1

    def writable(self):
        return self.epoch > 0 and not self.writer_finished

    @precondition(lambda self: not self.writer_finished)
    @rule(format=st.sampled_from([SMALL, LARGE, SQUARE, SQUARE_BANDED]), skip=st.integers(1, 3))
    def begin_epoch(self, format, skip):
        self.ring.begin_epoch(self.epoch + skip, format)
        if self.closed:
            return
        self.epoch += skip
        self.format = format
        self.frame = 0
        self.writing = None
        if self.policy == "latest":
            self.dropped["epoch_ended"] += len(self.ready)
            self.ready.clear()

    @precondition(lambda self: self.writable() and self.writing is None)
    @rule()
    def acquire(self):
        slot = self.ring.acquire()
        if self.closed:
            assert slot is None
            self.count_dropped("shutdown")
        elif len(self.ready) + len(self.held) < self.slots:
            assert slot is not None
        elif self.policy == "every":
            assert slot is None
        elif self.ready:
            assert slot is not None
            self.ready.popleft()
            self.dropped["overwritten"] += 1
        else:
            assert slot is None
            self.count_dropped("all_leased")
        if slot is not None:
            assert slot.picture.shape == self.format.shape
            assert slot.slot not in {held.lease.slot for held in self.held}
            self.stamp = (self.stamp + 1) % 256
            slot.picture.fill(self.stamp)
        self.writing = slot

    def count_dropped(self, reason):
        self.decoded += 1
        self.frame += 1
        self.dropped[reason] += 1

    @precondition(lambda self: self.writing is not None)
    @rule(late=st.integers(0, 100))
    def commit(self, late):
        assert self.writing is not None
        self.clock += late
        meta = meta_of(self.frame, self.epoch, self.format, self.clock)
        assert self.ring.frames_in_epoch == self.frame
        wakes = self.wakes
        self.ring.commit(self.writing, meta)
        self.writing = None
        if self.closed:
            self.count_dropped("shutdown")
        else:
            assert self.wakes == wakes + 1
            self.decoded += 1
            self.frame += 1
            self.ready.append((meta, self.stamp))

    @precondition(lambda self: self.writing is not None)
    @rule(reason=st.sampled_from([None, DropReason.STAGE_ERROR]))
    def abandon(self, reason):
        assert self.writing is not None
        self.ring.abandon(self.writing, reason)
        self.writing = None
        if reason is not None:
            self.count_dropped(reason)

    @precondition(writable)
    @rule()
    def drop_decoded(self):
        self.ring.drop_decoded(DropReason.RATE_LIMITED)
        self.count_dropped("rate_limited")

    @precondition(lambda self: self.epoch > 0)
    @rule()
    def lease(self):
        lease = self.ring.lease()
        if not self.ready:
            assert lease is None
            return
        meta, stamp = self.ready.popleft()
        assert lease is not None and lease.meta is meta
        self.held.append(Held(lease, stamp))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), dropped=st.sampled_from([None, DropReason.STAGE_ERROR, DropReason.SHUTDOWN]))
    def release(self, data, dropped):
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.ring.release(held.lease, dropped)
        if dropped is None:
            self.processed += 1
        else:
            self.dropped[dropped] += 1

    @rule(budget=st.integers(0, 200))
    def drop_stale(self, budget):
        stale = 0
        if self.policy == "latest":
            while self.ready and self.clock - self.ready[0][0].arrival_ns > budget:
                self.ready.popleft()
                stale += 1
            self.dropped["stale"] += stale
        assert self.ring.drop_stale(self.clock, budget) == stale

    @precondition(lambda self: self.decoded > 8)
    @rule()
    def finish(self):
        self.ring.finish()
        self.writer_finished = True
        self.writing = None

    @precondition(lambda self: self.decoded > 8)
    @rule()
    def close(self):
        self.ring.close()
        if not self.closed:
            self.dropped["shutdown"] += len(self.ready)
            self.ready.clear()
        self.closed = True

    @invariant()
    def every_frame_is_accounted_for(self):
        counts = self.ring.counts()
        assert counts.decoded == counts.processed + sum(counts.dropped.values()) + counts.ready + counts.leased
        assert (counts.decoded, counts.processed) == (self.decoded, self.processed)
        assert (counts.ready, counts.leased) == (len(self.ready), len(self.held))
        assert counts.dropped == {reason: n for reason, n in self.dropped.items() if n}

    @invariant()
    def the_oldest_is_shown(self):
        assert self.ring.peek() is (self.ready[0][0] if self.ready else None)

    @invariant()
    def leased_pictures_keep_their_content(self):
        for held in self.held:
            assert held.lease.picture.shape == held.lease.meta.format.shape
            assert (held.lease.picture == held.stamp).all()

    @invariant()
    def memory_is_bounded(self):
        assert self.ring.nbytes <= self.slots * max(np.prod(format.shape) for format in (LARGE, SQUARE))

    @invariant()
    def it_is_finished_when_the_writer_is_and_nothing_is_left(self):
        done = (self.writer_finished or self.closed) and not self.ready and not self.held
        assert self.ring.finished == done


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=examples(30), stateful_step_count=60, deadline=None)
