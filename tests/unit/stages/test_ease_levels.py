"""Ease levels: the limits of settings, and when a camera's frame gets a detection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.ease_levels import (
    EARLY_US,
    FULL_QUALITY,
    OBJECTS_COST,
    SECOND_LOOK_COST,
    STEPS,
    VIEW_COST,
    Detection,
    EaseLevel,
    FurtherLooks,
    ease_levels,
)


def detected(level: EaseLevel, times_us: list[int]) -> list[int]:
    """Return the times of the frames that get a detection; the first frame does."""
    last, found = Detection(0, times_us[0]), [times_us[0]]
    for frame, media_us in enumerate(times_us[1:], 1):
        detection = level.next_detection(last, frame, media_us)
        if detection is not None:
            last = detection
            found.append(media_us)
    return found


def test_the_levels_begin_with_full_quality_and_each_one_costs_less_at_a_high_frame_rate() -> None:
    levels = ease_levels(1.0, 32)
    assert levels == (FULL_QUALITY, *STEPS)
    costs = [level.cost(1000.0) for level in levels]
    assert costs == sorted(set(costs), reverse=True)


@pytest.mark.parametrize(("least", "strongest"), [(3.0, 3.0), (3.5, 4.0), (12.5, 12.5), (12.6, None), (0.1, 1.0)])
def test_no_level_goes_below_the_least_rate(least: float, strongest: float | None) -> None:
    assert ease_levels(least, 384)[-1].detections_per_second == strongest


@pytest.mark.parametrize("frame_rate", [5.0, 10.0, 12.5, 15.0, 20.0, 25.0, 29.97, 30.0, 60.0])
@pytest.mark.parametrize("level", STEPS)
def test_the_mean_rate_of_detections_is_the_levels_whatever_the_frame_rate(level: EaseLevel, frame_rate: float) -> None:
    frames = round(60 * frame_rate)
    found = detected(level, [round(frame * 1e6 / frame_rate) for frame in range(frames)])
    assert len(found) / 60 == pytest.approx(level.detection_rate(frame_rate), rel=0.03)


def test_times_that_are_rounded_to_milliseconds_lose_no_detection() -> None:
    times = [round(frame * 1e6 / 30 / 1000) * 1000 for frame in range(600)]
    assert detected(EaseLevel(15.0), times) == times[::2]


@given(st.sampled_from(STEPS), st.lists(st.integers(1_000, 400_000), min_size=2, max_size=100))
def test_detections_are_never_more_than_the_level_permits(level: EaseLevel, gaps_us: list[int]) -> None:
    times = [sum(gaps_us[:count]) for count in range(len(gaps_us) + 1)]
    found = detected(level, times)
    assert level.detections_per_second is not None
    apart_us = 1e6 / level.detections_per_second
    # A detection counts from its own time, by up to the time between two frames before it took place.
    assert (len(found) - 2) * (apart_us - EARLY_US) <= times[-1] - times[0] + EARLY_US


@pytest.mark.parametrize(
    ("looks", "detection_rate", "cost"),
    [
        (FurtherLooks(), 12.5, 0.0),
        (FurtherLooks(objects=1.0), 12.5, OBJECTS_COST),
        (FurtherLooks(objects=2.0), 0.5, 0.5 * OBJECTS_COST),
        (FurtherLooks(second_looks=4.0), 2.0, 4 * SECOND_LOOK_COST),
        (FurtherLooks(second_looks=4.0), 0.5, 2 * SECOND_LOOK_COST),
        (FurtherLooks(second_looks=0.25), 12.5, 0.25 * SECOND_LOOK_COST),
        (FurtherLooks(second_looks=0.25), 0.1, 0.1 * SECOND_LOOK_COST),
        (FurtherLooks(views=0.5), 12.5, 0.5 * VIEW_COST),
        (FurtherLooks(views=7.0), 5.0, 5 * VIEW_COST),
        (FurtherLooks(1.0, 4.0, 0.5), 5.0, OBJECTS_COST + 4 * SECOND_LOOK_COST + 0.5 * VIEW_COST),
        (FurtherLooks(1.0, 4.0, 0.5), 0.0, 0.0),
    ],
)
def test_further_looks_cost_their_rates_within_those_of_detections(
    looks: FurtherLooks, detection_rate: float, cost: float
) -> None:
    assert looks.cost(detection_rate) == pytest.approx(cost)
