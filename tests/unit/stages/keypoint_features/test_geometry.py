"""Geometric features are correct, in statures, equal live and in training, and zero where joints are missing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from stages.keypoint_features.geometry import (
    CONTEXT_FEATURES,
    CONTEXT_LAYOUT,
    LIMIT,
    PART_FEATURES,
    PART_LAYOUT,
    Geometry,
    sequence_features,
    window_features,
)
from stages.keypoint_features.part_geometry import part_features
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
L_WRIST, R_WRIST = 9, 10
STATURE = (200 - 142) / 0.288  # from neck to pelvis, which gives the greatest estimate
BODY = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16]


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


def test_several_pending_steps_give_the_same_windows_as_single_steps() -> None:
    keypoints, boxes, times = moving(1)
    steps = [Step(keypoints[0, n], boxes[0, n], int(times[0, n])) for n in range(60)]
    one_by_one, at_once = StepHistory(), StepHistory()
    for n in range(0, 60, 30):
        for k in range(n, n + 30):
            alone = one_by_one.window([steps[k]])
            together = at_once.window(steps[n : k + 1])
            assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
            one_by_one.append(steps[k])
        for step in steps[n : n + 30]:
            at_once.append(step)


def test_later_steps_do_not_change_earlier_features() -> None:
    keypoints, boxes, times = moving()
    whole = sequence_features(keypoints, boxes, times)
    changed = keypoints.copy()
    changed[:, 30:] += 50
    again = sequence_features(changed, boxes, times)
    assert np.array_equal(whole.parts[:, :30], again.parts[:, :30])
    assert not np.array_equal(whole.parts[:, 30:], again.parts[:, 30:])


def test_steps_before_the_last_two_seconds_do_not_count() -> None:
    keypoints, boxes, times = moving(1)
    changed = keypoints.copy()
    changed[0, 0] += 100
    whole, again = (sequence_features(points, boxes, times) for points in (keypoints, changed))
    old = times[0] - times[0, 0] > 2_010_000
    assert np.array_equal(whole.parts[0, old], again.parts[0, old])
    assert HISTORY_STEPS * STEP_US >= 2_000_000


def test_features_do_not_depend_on_the_persons_position_and_size() -> None:
    keypoints, boxes, times = moving()
    larger = keypoints.copy()
    larger[..., :2] = larger[..., :2] * 2.5 + 77
    first, second = (
        sequence_features(keypoints, boxes, times),
        sequence_features(larger, boxes * np.float32(2.5) + 77, times),
    )
    assert np.abs(first.parts - second.parts).max() < 5e-3
    assert np.abs(first.context - second.context).max() < 5e-3


def test_a_person_who_does_not_move_has_no_velocity_and_no_range() -> None:
    made = sequence_features(*standing(40))
    movements = [
        name for name in PART_LAYOUT if any(word in name for word in ("velocity", "speed", "range", "travelled"))
    ]
    movements += [name for name in PART_LAYOUT if "change" in name or "approach" in name]
    assert len(movements) == 18
    for name in movements:
        assert np.abs(made.parts[0, :, :, PART_LAYOUT[name]]).max() < 1e-5, name
    assert np.abs(context(made, "root_height")).max() < 1e-5


def test_a_steadily_moving_hand_has_its_velocity_in_statures_per_second() -> None:
    keypoints, boxes, times = standing(20)
    seconds = times[0] * 1e-6
    keypoints[0, :, L_WRIST, 0] += 10 * seconds
    keypoints[0, :, L_WRIST, 1] -= 20 * seconds
    made = sequence_features(keypoints, boxes, times)
    for lag in ("short", "long"):
        found = part(made, "left_arm", f"end_velocity_{lag}")
        assert found == pytest.approx([10 / STATURE, -20 / STATURE], rel=1e-4)
        assert part(made, "left_arm", f"end_speed_{lag}") == pytest.approx(np.hypot(10, 20) / STATURE, rel=1e-4)
        assert part(made, "right_arm", f"end_velocity_{lag}") == pytest.approx([0, 0], abs=1e-5)
    assert part(made, "left_arm", "range_1s")[1] == pytest.approx(20 * 12 * 0.08 / STATURE, rel=1e-4)  # 12 steps
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


def test_velocity_uses_the_actual_time_between_steps() -> None:
    keypoints, boxes, times = standing(20)
    times = np.random.default_rng(1).integers(79_000, 260_000, (1, 20)).cumsum(1)
    keypoints[0, :, L_WRIST, 1] -= 8 * times[0] * 1e-6
    made = sequence_features(keypoints, boxes, times)
    for step in range(5, 20):
        assert part(made, "left_hand", "joint_velocity_short", step)[1] == pytest.approx(-8 / STATURE, rel=1e-3)


def test_walking_gives_root_velocity_and_standing_feet_have_no_ground_velocity() -> None:
    keypoints, boxes, times = standing(7)
    walked = 40 * times[0] * 1e-6
    keypoints[0, :, BODY, 0] += walked
    keypoints[0, :, [15, 13], 0] -= walked  # the left foot and knee do not move
    boxes[..., [0, 2]] += walked[:, None]
    made = sequence_features(keypoints, boxes, times)
    assert context(made, "root_velocity_long") == pytest.approx([40 / STATURE, 0], rel=2e-2, abs=1e-4)
    assert abs(part(made, "left_leg", "ground_speed_long")[0]) < 0.02
    assert part(made, "right_leg", "ground_speed_long")[0] == pytest.approx(40 / STATURE, rel=2e-2)


def test_a_crouch_changes_the_knees_the_box_height_and_the_root_height() -> None:
    keypoints, boxes, times = standing(24)
    low = slice(12, 24)
    keypoints[0, low, :13, 1] += 60  # everything above the knees moves down
    keypoints[0, low, 13:15, 0] += 40  # the knees move sideways
    boxes[0, low, 1] += 60
    made = sequence_features(keypoints, boxes, times)
    assert context(made, "box_height", 11)[0] - context(made, "box_height", 23)[0] == pytest.approx(
        60 / STATURE, abs=0.05
    )
    straight, bent = context(made, "bend_left_knee", 11)[0], context(made, "bend_left_knee", 14)[0]
    assert straight > 0.99 and bent < 0.5
    assert context(made, "root_height", 14)[0] == pytest.approx(60 / STATURE, abs=0.02)  # below its highest position


def test_wrists_above_shoulders_and_the_distance_of_wrists_are_measured() -> None:
    keypoints, boxes, times = standing(8)
    keypoints[0, :, [7, 8], :2] = np.float32([[215, 120], [190, 120]])[:, None]  # the elbows
    keypoints[0, :, L_WRIST, :2] = (210, 100)
    keypoints[0, :, R_WRIST, :2] = (200, 100)
    made = sequence_features(keypoints, boxes, times)
    assert context(made, "left_wrist_above_shoulder") == pytest.approx(42 / STATURE, rel=1e-3)
    assert context(made, "distance_wrists")[0] == pytest.approx(10 / STATURE, rel=1e-3)
    assert part(made, "left_arm", "end_from_face")[1] < 0


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


def test_one_wrong_step_does_not_change_the_stature() -> None:
    keypoints, boxes, times = standing(20)
    keypoints[0, 12, 15, 1] += 200
    made = sequence_features(keypoints, boxes, times)
    assert context(made, "box_height", 19)[0] == pytest.approx(206 / STATURE, rel=1e-3)


def test_named_features_cover_the_layout_without_gaps() -> None:
    for layout, size in ((PART_LAYOUT, PART_FEATURES), (CONTEXT_LAYOUT, CONTEXT_FEATURES)):
        places = sorted((place.start, place.stop) for place in layout.values())
        assert places[0][0] == 0 and places[-1][1] == size
        assert all(before[1] == after[0] for before, after in pairwise(places))
