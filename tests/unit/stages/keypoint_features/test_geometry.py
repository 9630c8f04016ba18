"""Geometric features are correct, in statures, equal live and in training, and zero where joints are missing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from stages.keypoint_features.geometry import (
    CONTEXT_LAYOUT,
    LIMIT,
    PART_LAYOUT,
    Geometry,
    part_features,
    sequence_features,
    window_features,
)
from stages.keypoint_features.skeleton import CHAINS, skeleton_points, step_stature
from stages.keypoint_features.step_window import HISTORY_STEPS, SPANS, StepWindow, step_ages
from stages.people.people import Step, StepHistory
from stages.vocabulary import PARTS

STEP_US = 80_000
# x, y of COCO's 17 keypoints of a person of height 200 who faces the camera.
STANDING = np.array(
    [
        (200, 118), (204, 114), (196, 114), (210, 118), (190, 118), (222, 142), (178, 142), (230, 178), (170, 178),
        (232, 208), (168, 208), (212, 200), (188, 200), (212, 250), (188, 250), (212, 296), (188, 296),
    ],
    np.float32,
)  # fmt: skip
L_WRIST = 9
STATURE = (200 - 142) / 0.288  # from neck to pelvis, which gives the greatest estimate


def standing(steps: int, score: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return keypoints [1, steps, 17, 3], boxes [1, steps, 4] and times [1, steps] of a person who does not move."""
    keypoints = np.concatenate([STANDING, np.full((17, 1), score, np.float32)], 1)
    times = np.arange(steps, dtype=np.int64)[None] * STEP_US
    return np.tile(keypoints, (1, steps, 1, 1)), np.tile(np.float32([150, 98, 250, 304]), (1, steps, 1)), times


def moving(sequences: int = 3, steps: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return people who move at random, with missing joints and irregular steps."""
    rng = np.random.default_rng(seed)
    sway = rng.normal(0, 1, (sequences, steps, 17, 2)).cumsum(1)
    places = STANDING + rng.uniform(-40, 40, (sequences, 1, 1, 2)) + sway
    scores = np.where(rng.random((sequences, steps, 17)) < 0.1, 0.05, rng.uniform(0.2, 0.7, (sequences, steps, 17)))
    keypoints = np.concatenate([places, scores[..., None]], -1).astype(np.float32)
    boxes = np.concatenate([places.min(2) - 8, places.max(2) + 8], -1).astype(np.float32)
    return keypoints, boxes, rng.integers(79_000, 400_000, (sequences, steps)).cumsum(1)


def part(made: Geometry, name: str, feature: str, step: int = -1) -> np.ndarray:
    return made.parts[0, step, PARTS.index(name), PART_LAYOUT[feature]]


def context(made: Geometry, feature: str, step: int = -1) -> np.ndarray:
    return made.context[0, step, CONTEXT_LAYOUT[feature]]


def test_live_steps_give_the_same_features_as_whole_sequences() -> None:
    keypoints, boxes, times = moving()
    whole = sequence_features(keypoints, boxes, times)
    histories = [StepHistory() for _ in range(3)]
    for step in range(60):
        windows = []
        for row, history in enumerate(histories):
            new = Step(keypoints[row, step], boxes[row, step], int(times[row, step]))
            windows.append(history.window([new]))
            history.append(new)
        live = window_features(*(np.stack(arrays) for arrays in zip(*windows, strict=True)))
        assert np.array_equal(live.parts, whole.parts[:, step])
        assert np.array_equal(live.context, whole.context[:, step])


def test_features_do_not_depend_on_the_persons_position_and_size() -> None:
    keypoints, boxes, times = moving()
    larger = keypoints.copy()
    larger[..., :2] = larger[..., :2] * 2.5 + 77
    first = sequence_features(keypoints, boxes, times)
    second = sequence_features(larger, boxes * np.float32(2.5) + 77, times)
    assert np.abs(first.parts - second.parts).max() < 5e-3
    assert np.abs(first.context - second.context).max() < 5e-3


def test_a_steadily_moving_hand_has_its_velocity_in_statures_per_second() -> None:
    keypoints, boxes, _ = standing(20)
    times = np.random.default_rng(1).integers(79_000, 90_000, (1, 20)).cumsum(1)
    seconds = times[0] * 1e-6
    keypoints[0, :, L_WRIST, 0] += 10 * seconds
    keypoints[0, :, L_WRIST, 1] -= 20 * seconds
    made = sequence_features(keypoints, boxes, times)
    for lag in ("short", "long"):
        found = part(made, "left_arm", f"end_velocity_{lag}")
        assert found == pytest.approx([10 / STATURE, -20 / STATURE], rel=1e-4)
        assert part(made, "left_arm", f"end_speed_{lag}") == pytest.approx(np.hypot(10, 20) / STATURE, rel=1e-4)
        assert part(made, "right_arm", f"end_velocity_{lag}") == pytest.approx([0, 0], abs=1e-5)
    assert part(made, "left_arm", "travelled_1s") == pytest.approx([10 / STATURE, 20 / STATURE], rel=1e-3)


def test_ranges_and_distances_travelled_equal_those_of_a_plain_loop_over_the_steps() -> None:
    keypoints, boxes, times = moving(sequences=4, steps=HISTORY_STEPS)
    # One window is full; the others contain steps that are too old.
    times[0] = times[0, -1] - (times[0, -1] - times[0]) // 4
    points, scores, present = skeleton_points(keypoints)
    ages = step_ages(times, np.ones(times.shape, bool))
    window = StepWindow(points, scores, present, boxes, step_stature(points, present, boxes), ages)
    assert window.inside[0].all() and not window.inside[1:].all(1).any()
    made = part_features(window)
    for row in range(4):
        for number, end in enumerate(chain[2] for chain in CHAINS):
            for span in SPANS:
                steps = [step for step in range(HISTORY_STEPS) if ages[row, step] <= np.float32(span + 1e-3)]
                points_seen = [window.points[row, step, end] for step in steps if window.present[row, step, end]]
                extent = np.max(points_seen, 0) - np.min(points_seen, 0)
                travelled = np.zeros(2, np.float32)
                for step, after in pairwise(steps):
                    if window.present[row, step, end] and window.present[row, after, end]:
                        travelled += np.abs(window.points[row, after, end] - window.points[row, step, end])
                rate = travelled / max(ages[row, steps[0]], np.float32(0.2))
                assert np.array_equal(made[f"range_{span:.0f}s"][row, number], extent)
                assert np.array_equal(made[f"travelled_{span:.0f}s"][row, number], rate)


def test_a_missing_joint_gives_zeros_and_a_flag_and_does_not_affect_other_parts() -> None:
    keypoints, boxes, times = standing(20)
    keypoints[0, :, L_WRIST, 2] = 0.05
    wild = keypoints.copy()
    wild[0, :, L_WRIST, :2] = np.random.default_rng(0).uniform(0, 400, (20, 2))
    made, same = sequence_features(keypoints, boxes, times), sequence_features(wild, boxes, times)
    assert np.array_equal(made.parts, same.parts) and np.array_equal(made.context, same.context)
    assert part(made, "left_arm", "present").tolist() == [1, 1, 0]
    assert part(made, "left_arm", "scores")[2] == 0
    assert part(made, "left_arm", "place")[4:].tolist() == [0, 0]
    whole = sequence_features(*standing(20))
    assert np.array_equal(made.parts[0, :, PARTS.index("left_leg")], whole.parts[0, :, PARTS.index("left_leg")])


def test_without_a_pelvis_the_neck_or_the_box_is_the_root_and_a_flag_is_set() -> None:
    keypoints, boxes, times = standing(5)
    assert context(sequence_features(keypoints, boxes, times), "root_is_pelvis")[0] == 1
    keypoints[0, :, [11, 12], 2] = 0
    made = sequence_features(keypoints, boxes, times)
    assert context(made, "root_is_pelvis")[0] == 0 and np.isfinite(made.parts).all()


def test_features_of_missing_and_of_wrong_joints_are_finite_and_within_the_limit() -> None:
    keypoints, boxes, times = standing(10, score=0.0)
    made = sequence_features(keypoints, np.zeros_like(boxes), times)
    assert np.isfinite(made.parts).all() and np.isfinite(made.context).all()
    keypoints[..., 2] = 0.5
    keypoints[0, 5, :, :2] = 1e7
    made = sequence_features(keypoints, boxes, times)
    assert np.abs(made.parts).max() <= LIMIT and np.abs(made.context).max() <= LIMIT
