"""The batcher wakes once, takes frames in order, never hangs, and never waits without a reason."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ring_buffers.frame_ring import FrameRing
from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stream.inference.batcher import Batcher
from stream.settings.engine import BatchConfig
from support.examples import examples
from support.waiting import wait_until, waits

SMALL = SlotFormat("planes", (4, 2), (4, 2))
MS = 1_000_000
BUDGET = 500 * MS


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000 * MS

    def __call__(self) -> int:
        return self.now


class Camera:
    """A ring, and the frames in it."""

    def __init__(self, name: str, batcher: Batcher, *, slots: int = 8, policy="latest", staleness_ns: int = BUDGET):
        self.ring = FrameRing(name, slots, policy, on_ready=batcher.wake)
        self.frame = 0
        self.epoch = 0
        self.new_epoch()
        batcher.add(self.ring, staleness_ns)

    def new_epoch(self) -> None:
        self.epoch += 1
        self.frame = 0
        self.ring.begin_epoch(self.epoch, SMALL)

    def put(self, now: int, arrival: int | None = None) -> bool:
        slot = self.ring.acquire()
        self.frame += 1
        if slot is None:
            return False
        arrived = now if arrival is None else arrival
        self.ring.commit(
            slot, FrameMeta(self.ring.camera, self.epoch, self.frame - 1, 0, 0, "arrival", arrived, now, (4, 2), SMALL)
        )
        return True


def batcher_of(clock=None, max_frames: int = 8, max_wait_ms: float = 10.0) -> Batcher:
    """Return a batcher that has learned that frames cost almost nothing; before that, batches have one frame."""
    config = BatchConfig(max_frames=max_frames, max_wait_ms=max_wait_ms)
    batcher = Batcher(config, clock or Clock())
    batcher.batch_done(0.0, 1)
    return batcher


def names(batch: list[Lease]) -> list[str]:
    return [f"{lease.meta.camera}{lease.meta.frame}" for lease in batch]


class Taking:
    """`next_batch` in a separate thread, as in the engine, so that only the test hangs if it hangs."""

    def __init__(self, batcher: Batcher) -> None:
        self._batcher = batcher
        self._batches: list[list[Lease]] = []
        self._thread = threading.Thread(target=lambda: self._batches.append(batcher.next_batch()), daemon=True)
        self._thread.start()

    def waits(self) -> bool:
        """Return whether it still waits after it has considered all frames."""
        wait_until(lambda: not self._thread.is_alive() or (waits(self._thread) and not self._batcher._bell._rung))
        return self._thread.is_alive()

    def batch(self) -> list[Lease]:
        self._thread.join()
        return self._batches[0]


def at_once(batcher: Batcher) -> list[Lease]:
    """Return the batch that starts without waiting, or an empty one."""
    return batcher.next_batch(timeout_s=0)


def test_a_ready_frame_starts_a_batch_at_once():
    clock = Clock()
    batcher = batcher_of(clock)
    a = Camera("a", batcher)
    a.put(clock.now)
    clock.now += 3 * MS
    assert names(at_once(batcher)) == ["a0"]
    assert (batcher.frames.count, batcher.frames.sum) == (1, 1)
    assert batcher.waits.sum == pytest.approx(0.003)


def test_a_later_frame_wakes_the_batcher():
    clock = Clock()
    batcher = batcher_of(clock)
    a = Camera("a", batcher)
    taking = Taking(batcher)
    assert taking.waits()
    a.put(clock.now)
    assert names(taking.batch()) == ["a0"]


def test_a_frame_that_came_while_the_only_one_was_processed_is_taken_at_once():
    batcher = batcher_of(clock := Clock())
    a, b = Camera("a", batcher), Camera("b", batcher)
    taken = []
    for camera in (a, a, b, a):
        camera.put(clock.now)
        taken += names(at_once(batcher))
    assert taken == ["a0", "a1", "b0", "a2"]
    assert at_once(batcher) == []


@pytest.mark.parametrize("cameras", [["a", "a"], ["a", "b"]])
def test_a_frame_that_the_last_batch_left_is_taken_although_nothing_has_rung_since(cameras: list[str]):
    batcher = batcher_of(clock := Clock(), max_frames=1)
    by_name = {name: Camera(name, batcher) for name in "ab"}
    for name in cameras:
        by_name[name].put(clock.now)
    assert names(at_once(batcher)) == ["a0"]
    while batcher._bell.wait(0):
        pass
    taking = Taking(batcher)
    assert not taking.waits()
    assert names(taking.batch())[0][0] == cameras[1]


def test_a_frame_that_is_gone_when_it_is_taken_does_not_make_others_wait():
    batcher = batcher_of(clock := Clock())
    a, b = Camera("a", batcher), Camera("b", batcher)

    def needs_look(meta: FrameMeta, newest: bool) -> bool:
        if meta.camera == "a":
            a.new_epoch()
        return meta.camera == "b"

    batcher.needs_look = needs_look
    a.put(clock.now)
    b.put(clock.now)
    assert names(at_once(batcher)) == ["b0"]


def test_cameras_take_turns_and_keep_their_order():
    clock = Clock()
    batcher = batcher_of(clock, max_frames=4)
    cameras = [Camera(name, batcher) for name in "abc"]
    for _ in range(4):
        for camera in cameras:
            camera.put(clock.now)
    assert names(at_once(batcher)) == ["a0", "b0", "c0", "a1"]
    assert names(at_once(batcher)) == ["b1", "c1", "a2", "b2"]
    assert names(at_once(batcher)) == ["c2", "a3", "b3", "c3"]


def test_with_more_cameras_than_a_batch_holds_each_gets_its_turn():
    clock = Clock()
    batcher = batcher_of(clock, max_frames=2)
    cameras = [Camera(f"c{index}-", batcher) for index in range(5)]
    got: Counter[str] = Counter()
    for _ in range(20):
        for camera in cameras:
            camera.put(clock.now)
        for lease in at_once(batcher):
            got[lease.meta.camera] += 1
            next(c for c in cameras if c.ring.camera == lease.meta.camera).ring.release(lease)
    assert set(got.values()) == {8}


def test_a_batch_holds_one_epoch_of_a_camera():
    clock = Clock()
    batcher = batcher_of(clock)
    a, b = Camera("a", batcher, policy="every"), Camera("b", batcher)
    a.put(clock.now)
    a.put(clock.now)
    a.new_epoch()
    a.put(clock.now)
    b.put(clock.now)
    b.put(clock.now)
    b.put(clock.now)
    first = at_once(batcher)
    assert names(first) == ["a0", "b0", "a1", "b1", "b2"]
    assert {lease.meta.epoch for lease in first} == {1}
    second = at_once(batcher)
    assert [(lease.meta.camera, lease.meta.epoch, lease.meta.frame) for lease in second] == [("a", 2, 0)]


def test_stale_frames_are_dropped_and_fresh_ones_taken():
    clock = Clock()
    batcher = batcher_of(clock)
    a = Camera("a", batcher, staleness_ns=100 * MS)
    a.put(clock.now)
    clock.now += 101 * MS
    a.put(clock.now)
    assert names(at_once(batcher)) == ["a1"]
    assert a.ring.dropped == {"stale": 1}


def test_with_only_stale_frames_it_waits_for_the_next():
    clock = Clock()
    batcher = batcher_of(clock)
    a = Camera("a", batcher, staleness_ns=100 * MS)
    a.put(clock.now)
    clock.now += 101 * MS
    taking = Taking(batcher)
    assert taking.waits()
    a.put(clock.now)
    assert names(taking.batch()) == ["a1"]


def test_frames_of_a_file_are_never_stale():
    clock = Clock()
    batcher = batcher_of(clock)
    a = Camera("a", batcher, policy="every", staleness_ns=1)
    a.put(clock.now)
    clock.now += 3600 * 1000 * MS
    assert names(at_once(batcher)) == ["a0"]


def learn_pace(clock: Clock, batcher: Batcher, cameras: list[Camera], offsets_ms: list[int]) -> int:
    """Take two frames of each camera, 40 ms apart, one by one; return the start of the next cycle."""
    start = clock.now
    for cycle in range(2):
        for camera, offset in zip(cameras, offsets_ms):
            clock.now = start + (40 * cycle + offset) * MS
            camera.put(clock.now)
            [lease] = at_once(batcher)
            camera.ring.release(lease)
    return start + 80 * MS


def test_an_expensive_model_waits_for_a_camera_that_is_due():
    clock = Clock()
    batcher = batcher_of(clock, max_wait_ms=10)
    cameras = [Camera("a", batcher), Camera("b", batcher)]
    cycle = learn_pace(clock, batcher, cameras, [0, 4])
    batcher.batch_done(0.08, 1)
    clock.now = cycle
    cameras[0].put(clock.now)
    taking = Taking(batcher)
    assert taking.waits(), "b is due in 4 ms"
    clock.now += 4 * MS
    cameras[1].put(clock.now)
    assert names(taking.batch()) == ["a2", "b2"], "then no other camera is awaited"


def test_an_expensive_model_stops_waiting_for_a_camera_that_is_overdue():
    class Passing(Clock):
        def __call__(self) -> int:
            self.now += MS
            return self.now

    clock = Passing()
    batcher = batcher_of(clock, max_wait_ms=30)
    cameras = [Camera("a", batcher), Camera("b", batcher)]
    start = clock.now
    for camera in cameras:
        for frame in range(2):
            camera.put(start + (frame - 2) * 40 * MS)
            camera.put(start + (frame - 2) * 40 * MS)
    taken = at_once(batcher)
    assert len(taken) == 8
    batcher.batch_done(1.0, 8)
    # Both are due about now, and only one comes.
    cameras[0].put(clock.now)
    waited_s = batcher.waits.sum
    assert names(batcher.next_batch(timeout_s=5)) == ["a4"]
    assert 0 < batcher.waits.sum - waited_s < 0.04


def test_a_cheap_model_does_not_wait():
    clock = Clock()
    batcher = batcher_of(clock)
    cameras = [Camera("a", batcher), Camera("b", batcher)]
    clock.now = learn_pace(clock, batcher, cameras, [0, 4])
    batcher.batch_done(0.0002, 1)
    assert batcher.cost.fixed_ns < MS
    cameras[0].put(clock.now)
    assert names(at_once(batcher)) == ["a2"]


def test_a_finished_camera_is_not_waited_for():
    clock = Clock()
    batcher = batcher_of(clock)
    cameras = [Camera("a", batcher), Camera("b", batcher)]
    clock.now = learn_pace(clock, batcher, cameras, [0, 4])
    batcher.batch_done(0.08, 1)
    cameras[0].put(clock.now)
    taking = Taking(batcher)
    assert taking.waits()
    cameras[1].ring.finish()
    assert names(taking.batch()) == ["a2"]


def test_closing_ends_the_wait_permanently():
    batcher = batcher_of()
    a = Camera("a", batcher)
    taking = Taking(batcher)
    assert taking.waits()
    batcher.close()
    assert taking.batch() == []
    a.put(0)
    assert at_once(batcher) == []


def test_a_removed_camera_is_ignored_and_others_continue():
    clock = Clock()
    batcher = batcher_of(clock)
    a, b = Camera("a", batcher), Camera("b", batcher)
    a.put(clock.now)
    batcher.remove(a.ring)
    batcher.remove(a.ring)
    b.put(clock.now)
    assert names(at_once(batcher)) == ["b0"]
    assert a.ring.ready == 1


def test_a_camera_added_while_waiting_is_seen():
    clock = Clock()
    batcher = batcher_of(clock)
    taking = Taking(batcher)
    assert taking.waits()
    Camera("a", batcher).put(clock.now)
    assert names(taking.batch()) == ["a0"]


def test_an_interruption_ends_the_wait_once_and_loses_no_frame():
    clock = Clock()
    batcher = batcher_of(clock)
    a = Camera("a", batcher)
    taking = Taking(batcher)
    assert taking.waits()
    batcher.interrupt()
    assert taking.batch() == []
    a.put(clock.now)
    batcher.interrupt()
    assert at_once(batcher) == []
    assert a.ring.leased == 0
    assert names(at_once(batcher)) == ["a0"]


def test_a_wait_ends_after_its_time():
    batcher = batcher_of(time.monotonic_ns)
    Camera("a", batcher)
    assert batcher.next_batch(timeout_s=0.05) == []


def test_cameras_removed_during_their_turn_leave_it_to_others():
    clock = Clock()
    batcher = batcher_of(clock, max_frames=1)
    cameras = [Camera(name, batcher) for name in "abc"]
    for camera in cameras:
        camera.put(clock.now)
        camera.put(clock.now)
    assert [names(at_once(batcher)) for _ in range(2)] == [["a0"], ["b0"]]
    for camera in cameras[1:]:
        batcher.remove(camera.ring)
    assert names(at_once(batcher)) == ["a1"]
    batcher.remove(cameras[0].ring)
    assert at_once(batcher) == []


@settings(deadline=None, max_examples=examples(25))
@given(
    actions=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 2)),
            st.tuples(st.just("epoch"), st.integers(0, 2)),
            st.tuples(st.just("pass"), st.integers(0, 60)),
            st.tuples(st.just("take"), st.integers(0, 200)),
        ),
        max_size=60,
    ),
    max_frames=st.integers(1, 5),
)
def test_frames_are_taken_in_order_once_and_not_stale(actions, max_frames):
    clock = Clock()
    batcher = batcher_of(clock, max_frames, max_wait_ms=0)
    budgets = {"a": 100 * MS, "b": 300 * MS, "f": 0}
    cameras = {
        name: Camera(name, batcher, slots=4, policy="every" if name == "f" else "latest", staleness_ns=budget)
        for name, budget in budgets.items()
    }
    expected: dict[str, deque[tuple[int, int]]] = {"f": deque()}
    last: dict[str, tuple[int, int]] = {}

    def take(cost_ms: int) -> None:
        batch = at_once(batcher)
        if not batch:
            assert all(camera.ring.ready == 0 for camera in cameras.values()), "it waits only if nothing is left"
            return
        assert 1 <= len(batch) <= max_frames
        epochs: dict[str, int] = {}
        for lease in batch:
            name, at = lease.meta.camera, (lease.meta.epoch, lease.meta.frame)
            assert at > last.get(name, (0, -1))
            last[name] = at
            assert epochs.setdefault(name, lease.meta.epoch) == lease.meta.epoch
            if name == "f":
                assert expected["f"].popleft() == at
            else:
                assert clock.now - lease.meta.arrival_ns <= budgets[name]
            cameras[name].ring.release(lease)
        batcher.batch_done(cost_ms / 1000, len(batch))

    def play() -> None:
        for action, value in actions:
            if action == "pass":
                clock.now += value * MS
            elif action == "take":
                take(value)
            else:
                name = "abf"[value]
                if action == "epoch":
                    cameras[name].new_epoch()
                elif cameras[name].put(clock.now) and name == "f":
                    expected["f"].append((cameras[name].epoch, cameras[name].frame - 1))

    play()


def test_a_slow_camera_never_delays_a_fast_one_and_staggered_cameras_wait_for_nothing():
    """4 cameras at 25 fps, one at 2 fps, a model without cost; a step is 1 ms."""
    clock = Clock()
    batcher = batcher_of(clock)
    cameras = [Camera(f"c{index}", batcher) for index in range(5)]
    taken: Counter[str] = Counter()
    for step in range(2_000):
        for index, camera in enumerate(cameras):
            if (step - 10 * index) % (500 if index == 4 else 40) == 0:
                camera.put(clock.now)
        while batch := at_once(batcher):
            batcher.batch_done(0.0, len(batch))
            for lease in batch:
                assert lease.meta.ready_ns == clock.now, "it waited"
                taken[lease.meta.camera] += 1
                cameras[int(lease.meta.camera[1])].ring.release(lease)
        clock.now += MS
    assert taken == {"c0": 50, "c1": 50, "c2": 50, "c3": 50, "c4": 4}


def test_a_model_that_cannot_keep_up_gets_the_newest_frame_of_each_camera_in_turn():
    batcher = batcher_of()
    for _ in range(50):
        batcher.batch_done(0.2, 1)
    cameras = [Camera(name, batcher) for name in "ab"]
    for _ in range(3):
        for camera in cameras:
            camera.put(1_000 * MS)
    assert names(at_once(batcher)) == ["a2"]
    assert names(at_once(batcher)) == ["b2"]
    assert [camera.ring.dropped["stale"] for camera in cameras] == [2, 2]


def test_older_frames_wait_for_a_slow_model_if_they_are_not_to_be_dropped_for_newer_ones():
    batcher = batcher_of()
    batcher.drops_for_newer = False
    for _ in range(50):
        batcher.batch_done(0.2, 1)
    cameras = [Camera(name, batcher) for name in "ab"]
    for _ in range(3):
        for camera in cameras:
            camera.put(1_000 * MS)
    assert [names(at_once(batcher)) for _ in range(6)] == [["a0"], ["b0"], ["a1"], ["b1"], ["a2"], ["b2"]]
    assert [ring.dropped for ring in batcher.rings] == [{}, {}]


def test_a_fast_model_gets_every_queued_frame():
    batcher = batcher_of(max_frames=2)
    camera = Camera("a", batcher)
    for _ in range(5):
        camera.put(1_000 * MS)
    taken = [name for _ in range(3) for name in names(at_once(batcher))]
    assert taken == ["a0", "a1", "a2", "a3", "a4"]


def test_no_frame_of_a_file_is_dropped_for_a_slow_model():
    batcher = batcher_of()
    for _ in range(50):
        batcher.batch_done(0.2, 1)
    camera = Camera("a", batcher, policy="every")
    for _ in range(3):
        camera.put(1_000 * MS)
    taken = [name for _ in range(3) for name in names(at_once(batcher))]
    assert taken == ["a0", "a1", "a2"]


def of_camera(*cameras: str):
    """Return a `needs_look` for frames of these cameras."""
    return lambda meta, newest: meta.camera in cameras


def test_frames_that_need_no_look_go_first_and_neither_wait_for_others_nor_are_dropped_for_them():
    clock = Clock()
    batcher = batcher_of(clock)
    batcher.needs_look = of_camera("busy")
    for _ in range(50):
        batcher.batch_done(0.2, 1)
    busy, still, calm = (Camera(name, batcher) for name in ("busy", "still", "calm"))
    for _ in range(3):
        for camera in (busy, still, calm):
            camera.put(clock.now)
    got = [names(at_once(batcher)) for _ in range(4)]
    assert got == [["still0", "calm0"], ["still1", "calm1"], ["still2", "calm2"], ["busy2"]]
    assert busy.ring.dropped == {"stale": 2}
    assert still.ring.dropped == calm.ring.dropped == {}


def test_frames_that_need_no_look_take_nobodys_turn():
    clock = Clock()
    batcher = batcher_of(clock)
    batcher.needs_look = of_camera("a", "c")
    for _ in range(50):
        batcher.batch_done(0.2, 1)
    cameras = [Camera(name, batcher) for name in "abcd"]
    looked_at: Counter[str] = Counter()
    for _ in range(40):
        for camera in cameras:
            camera.put(clock.now)
        batch = at_once(batcher)
        looked_at.update(lease.meta.camera for lease in batch)
        for lease in batch:
            next(camera for camera in cameras if camera.ring.camera == lease.meta.camera).ring.release(lease)
    assert looked_at["a"] == looked_at["c"]


def test_at_most_a_batch_of_frames_that_need_no_look_is_taken_the_oldest_first():
    clock = Clock()
    batcher = batcher_of(clock, max_frames=2)
    batcher.needs_look = of_camera()
    cameras = [Camera(name, batcher) for name in "abc"]
    for camera in reversed(cameras):
        camera.put(clock.now)
        clock.now += MS
    assert names(at_once(batcher)) == ["c0", "b0"]
    assert names(at_once(batcher)) == ["a0"]


def test_a_frame_is_asked_about_once_while_it_waits_for_its_look():
    clock = Clock()
    batcher = batcher_of(clock)
    asked: list[tuple[str, int]] = []

    def needs_look(meta: FrameMeta, newest: bool) -> bool:
        asked.append((meta.camera, meta.frame))
        return meta.camera == "busy"

    batcher.needs_look = needs_look
    busy, still = Camera("busy", batcher), Camera("still", batcher)
    busy.put(clock.now)
    for _ in range(3):
        still.put(clock.now)
        [lease] = at_once(batcher)
        still.ring.release(lease)
    assert names(at_once(batcher)) == ["busy0"]
    assert asked.count(("busy", 0)) == 1


def test_the_model_is_told_which_frame_is_its_cameras_newest():
    clock = Clock()
    batcher = batcher_of(clock)
    asked: list[tuple[int, bool]] = []

    def needs_look(meta: FrameMeta, newest: bool) -> bool:
        asked.append((meta.frame, newest))
        return newest

    batcher.needs_look = needs_look
    camera = Camera("a", batcher)
    for _ in range(3):
        camera.put(clock.now)
    assert [names(at_once(batcher)) for _ in range(3)] == [["a0"], ["a1"], ["a2"]]
    assert asked == [(0, False), (1, False), (2, True)]


def test_a_film_cannot_starve_a_camera_with_frames_that_need_no_look():
    clock = Clock()
    batcher = batcher_of(clock, max_frames=2)
    batcher.needs_look = of_camera("door")
    film, door = Camera("film", batcher, policy="every"), Camera("door", batcher)
    for _ in range(4):
        film.put(clock.now)
    door.put(clock.now)
    assert names(at_once(batcher)) == ["film0", "door0"]
