"""When a batch starts and which frames it takes: it waits only if that pays, and favours no camera."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.frames import FrameMeta, SlotFormat
from stream.inference.batch_planning import (
    MIN_GAIN_NS,
    BatchCost,
    CostEstimate,
    FramePace,
    RingView,
    affordable,
    leave_at,
    share,
)

MS = 1_000_000
FREE = BatchCost(0, 0)
GPU = BatchCost(80 * MS, 1 * MS)
CPU = BatchCost(5 * MS, 75 * MS)
SMALL = SlotFormat("planes", (4, 2), (4, 2))


def ready(count: int = 1, since_ms: float = 0) -> RingView:
    return RingView(count, int(since_ms * MS), None, 0)


def empty(due_ms: float | None = None, overdue_ms: float = 0) -> RingView:
    return RingView(0, 0, None if due_ms is None else int(due_ms * MS), int(overdue_ms * MS))


def test_without_ready_frames_no_batch_starts():
    assert leave_at(0, [empty(), empty(1, 20)], 8, GPU, 10 * MS) is None
    assert leave_at(0, [], 8, GPU, 10 * MS) is None


def test_a_model_without_cost_never_waits():
    assert leave_at(0, [ready(), empty(1, 20)], 8, FREE, 10 * MS) == 0


def test_a_gain_below_the_timers_resolution_is_not_waited_for():
    assert leave_at(0, [ready(), empty(0.1, 10)], 8, BatchCost(MIN_GAIN_NS - 1, 0), 10 * MS) == 0
    assert leave_at(0, [ready(), empty(0.1, 10)], 8, BatchCost(MIN_GAIN_NS, 0), 10 * MS) == 10 * MS


def test_a_model_whose_cost_is_all_per_frame_never_waits():
    assert leave_at(0, [ready(), empty(1, 20)], 8, CPU, 10 * MS) == 0


def test_an_expensive_batch_waits_for_a_camera_that_is_about_to_add_a_frame():
    assert leave_at(0, [ready(), empty(3, 9)], 8, GPU, 10 * MS) == 9 * MS


def test_a_full_batch_starts_at_once():
    assert leave_at(0, [ready(5), ready(3), empty(1, 9)], 8, GPU, 10 * MS) == 0


def test_a_batch_never_waits_beyond_the_deadline_of_its_oldest_frame():
    assert leave_at(6 * MS, [ready(since_ms=0), ready(since_ms=5), empty(9, 19)], 8, GPU, 10 * MS) == 10 * MS
    assert leave_at(10 * MS, [ready(since_ms=0), empty(11, 19)], 8, GPU, 10 * MS) == 10 * MS
    assert leave_at(50 * MS, [ready(since_ms=0), empty(51, 60)], 8, GPU, 10 * MS) == 50 * MS


def test_a_camera_due_after_the_deadline_or_overdue_or_unknown_is_not_waited_for():
    assert leave_at(0, [ready(), empty(11, 19)], 8, GPU, 10 * MS) == 0
    assert leave_at(5 * MS, [ready(), empty(1, 5)], 8, GPU, 10 * MS) == 5 * MS
    assert leave_at(0, [ready(), empty()], 8, GPU, 10 * MS) == 0


def test_the_more_frames_are_ready_the_less_waiting_for_another_pays():
    cost = BatchCost(20 * MS, 0)
    assert leave_at(0, [ready(), empty(9, 12)], 8, cost, 100 * MS) == 12 * MS
    assert leave_at(0, [ready(3), empty(9, 12)], 8, cost, 100 * MS) == 0


def test_no_camera_is_waited_for_if_waiting_never_pays():
    assert leave_at(5 * MS, [ready(), empty(1, 9)], 8, BatchCost(20 * MS, 24 * MS), 10 * MS) == 5 * MS


views = st.lists(
    st.builds(
        RingView,
        st.integers(0, 4),
        st.integers(0, 50 * MS),
        st.one_of(st.none(), st.integers(0, 100 * MS)),
        st.integers(0, 100 * MS),
    ),
    max_size=8,
)


@given(
    now=st.integers(50 * MS, 60 * MS),
    rings=views,
    max_frames=st.integers(1, 16),
    cost=st.builds(BatchCost, st.integers(0, 200 * MS), st.integers(0, 200 * MS)),
    max_wait=st.integers(0, 50 * MS),
)
def test_a_batch_waits_within_its_limits_and_only_for_a_reason(now, rings, max_frames, cost, max_wait):
    at = leave_at(now, rings, max_frames, cost, max_wait)
    frames = sum(ring.ready for ring in rings)
    if frames == 0:
        assert at is None
        return
    assert at is not None
    oldest = min(ring.oldest_ready_ns for ring in rings if ring.ready)
    assert at <= max(now, oldest + max_wait)
    if at > now:
        assert frames < max_frames
        assert cost.fixed_ns >= MIN_GAIN_NS
        gains = [
            cost.fixed_ns - frames * (wait + cost.per_frame_ns) - wait
            for ring in rings
            if ring.due_ns is not None and now < ring.overdue_ns and ring.due_ns <= oldest + max_wait
            for wait in [max(0, ring.due_ns - now)]
        ]
        assert max(gains) >= 0, "waiting for the likeliest newcomer makes the sum of delays no larger"


def test_a_batch_takes_turns_between_cameras():
    assert share([3, 1, 2], 0, 8) == [0, 1, 2, 0, 2, 0]
    assert share([3, 1, 2], 2, 4) == [2, 0, 1, 2]
    assert share([0, 0], 1, 8) == []
    assert share([], 0, 8) == []


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=9), first=st.integers(0, 8), max_frames=st.integers(1, 20)
)
def test_no_camera_gets_a_second_frame_before_each_has_had_one(counts, first, max_frames):
    first %= len(counts)
    places = share(counts, first, max_frames)
    assert len(places) == min(max_frames, sum(counts))
    got = Counter(places)
    for camera, count in enumerate(counts):
        assert got[camera] <= count
        if got[camera] < count:
            assert max(got.values()) <= got[camera] + 1


def meta(frame: int, ready_ms: float, epoch: int = 1) -> FrameMeta:
    at = int(ready_ms * MS)
    return FrameMeta("cam", epoch, frame, 0, 0, "arrival", at, at, (4, 2), SMALL)


def test_a_cameras_pace_is_learned_from_its_frames_also_with_gaps():
    pace = FramePace()
    assert pace.expected() == (None, 0)
    pace.taken(meta(0, 100))
    assert pace.expected() == (None, 0), "one frame tells no pace"
    pace.taken(meta(1, 140))
    assert pace.expected() == (180 * MS, 190 * MS)
    pace.taken(meta(4, 260))
    assert pace.expected() == (300 * MS, 310 * MS), "two frames were dropped between them"
    pace.taken(meta(9, 1000, epoch=2))
    assert pace.expected() == (1040 * MS, 1050 * MS), "the gap of a reconnect is no interval"
    pace.taken(meta(9, 1100, epoch=2))
    assert pace.expected() == (1140 * MS, 1150 * MS), "nor is the gap between a frame and itself"


def test_a_change_of_pace_is_followed():
    pace = FramePace()
    for frame in range(10):
        pace.taken(meta(frame, 40 * frame))
    for frame in range(10, 60):
        pace.taken(meta(frame, 400 + 100 * (frame - 10)))
    due, _ = pace.expected()
    assert due is not None
    assert due - pace.ready_ns == pytest.approx(100 * MS, rel=0.02)


@pytest.mark.parametrize(("fixed_ms", "per_frame_ms"), [(80, 1), (5, 30), (0, 50), (0, 0)])
def test_the_cost_of_batches_is_split_into_fixed_and_per_frame(fixed_ms, per_frame_ms):
    noise = random.Random(1)
    estimate = CostEstimate()
    for _ in range(200):
        frames = noise.randint(1, 8)
        estimate.batch_done((fixed_ms + frames * per_frame_ms) / 1e3 * noise.uniform(0.98, 1.02), frames)
    assert estimate.cost.fixed_ns == pytest.approx(fixed_ms * MS, abs=6 * MS)
    assert estimate.cost.per_frame_ns == pytest.approx(per_frame_ms * MS, abs=2 * MS)


def test_the_cost_of_equal_batches_counts_as_fixed():
    estimate = CostEstimate()
    for _ in range(50):
        estimate.batch_done(0.08, 1)
    assert estimate.cost.per_frame_ns == 0
    assert estimate.cost.fixed_ns == pytest.approx(80 * MS, rel=1e-6)


def test_a_change_of_cost_is_followed():
    estimate = CostEstimate()
    for _ in range(500):
        estimate.batch_done(0.08, 1)
    for _ in range(300):
        estimate.batch_done(0.0002, 1)
    assert estimate.cost.fixed_ns < MIN_GAIN_NS


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 256)), min_size=1, max_size=50))
def test_costs_are_never_negative(batches):
    estimate = CostEstimate()
    for seconds, frames in batches:
        estimate.batch_done(seconds, frames)
        assert estimate.cost.fixed_ns >= 0
        assert estimate.cost.per_frame_ns >= 0


@pytest.mark.parametrize(
    ("seconds_per_frame", "frames"), [(None, 1), (0.0, 8), (0.01, 8), (0.02, 7), (0.05, 3), (0.15, 1), (4.0, 1)]
)
def test_a_batch_has_no_more_frames_than_its_budget_of_150_ms_affords(
    seconds_per_frame: float | None, frames: int
) -> None:
    assert affordable(seconds_per_frame, 0.15, 8) == frames
