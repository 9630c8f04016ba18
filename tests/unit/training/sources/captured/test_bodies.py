"""Captured joints become COCO's keypoints with given proportions; left, right, front and floor stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from support.training.captured_people import COLUMN, captured, standing, walking, waving
from training.sources.captured.bodies import Bodies, filled, keypoints, missing_keypoints
from training.sources.motion_clips import MotionClips
from training.synthetic.motion.movement import upright
from training.synthetic.motion.skeleton import Builds, draw_builds, joints

BUILDS = draw_builds(np.random.default_rng(3), 1)


def placed(clips: MotionClips, builds: Builds = BUILDS, yaw: float = 0.0) -> tuple[np.ndarray, np.ndarray, float]:
    """Return all frames of a source's first clip as keypoints [T, 17, 3], their facing, and the stature."""
    bodies = Bodies(clips)
    frames = clips.frames(0)
    steps = np.arange(frames.stop - frames.start, dtype=np.float64)
    shown, _, cut = filled(bodies.frames(0, steps))
    assert not cut.any()
    measures = bodies.measures(0)
    points, facing = keypoints(
        shown[None], [measures], bodies.ears_from_head[None], builds, np.full((1, len(steps)), yaw)
    )
    return points[0], facing[0], measures.stature


def length(points: np.ndarray, first: int, second: int) -> np.ndarray:
    return np.linalg.norm(points[:, first] - points[:, second], axis=-1)


@pytest.mark.parametrize("motion", [standing(20), walking(60), waving(60)], ids=["stand", "walk", "wave"])
def test_limbs_have_the_lengths_of_the_build_at_the_captures_stature(motion: np.ndarray) -> None:
    points, _, stature = placed(captured([("other", motion)]))
    scale = stature / float(BUILDS.stature[0])
    limbs = {
        "upper_arm": ((5, 7), (6, 8)), "forearm": ((7, 9), (8, 10)), "thigh": ((11, 13), (12, 14)),
        "shank": ((13, 15), (14, 16)),
    }  # fmt: skip
    for limb, pairs in limbs.items():
        lengths = np.mean([np.median(length(points, *pair)) for pair in pairs])
        assert lengths == pytest.approx(getattr(BUILDS, limb)[0] * scale, rel=0.06), limb
    assert length(points, 5, 6) / 2 == pytest.approx(BUILDS.shoulder[0] * scale, rel=0.01)
    assert length(points, 11, 12) / 2 == pytest.approx(BUILDS.hip[0] * scale, rel=0.01)
    trunk = np.linalg.norm(points[:, 5:7].mean(1) - points[:, 11:13].mean(1), axis=-1)
    assert trunk == pytest.approx(BUILDS.torso[0] * scale, rel=0.01)


def test_the_stature_is_that_of_a_person_with_these_legs_and_trunk() -> None:
    person = standing(5)
    thigh, shank = np.hypot(0.43, 0.02), np.hypot(0.42, 0.02)
    stature = placed(captured([("stand", person)]))[2]
    assert stature == pytest.approx((thigh + shank + 0.49) / (0.245 + 0.246 + 0.290), rel=0.003)


def test_a_person_along_x_faces_along_x_with_the_left_side_left_and_the_head_on_top() -> None:
    points, facing, _ = placed(captured([("stand", standing(4))]))
    assert facing == pytest.approx(np.tile([1.0, 0.0, 0.0], (4, 1)), abs=1e-3)
    left = np.cross([0.0, 1.0, 0.0], facing[0])
    for first in (1, 3, 5, 7, 9, 11, 13, 15):
        assert ((points[:, first] - points[:, first + 1]) @ left > 0.02).all(), first
    nose, eyes, ears = points[:, 0], points[:, 1:3].mean(1), points[:, 3:5].mean(1)
    assert ((nose - ears) @ facing[0] > (eyes - ears) @ facing[0]).all() and ((eyes - ears) @ facing[0] > 0.05).all()
    assert (eyes[:, 1] > nose[:, 1]).all() and (nose[:, 1] > points[:, 5, 1]).all()
    assert points[:, :, 1].max() < 1.9 and points[:, 15:, 1].min() == pytest.approx(0.08, abs=0.002)


def test_faces_are_where_generated_people_have_them() -> None:
    generated, _ = joints(upright(np.zeros(1))[None], BUILDS)
    expected = generated[0, 0, :5] - generated[0, 0, 5:7].mean(0)
    points, _, stature = placed(captured([("stand", standing(4))]))
    found = (points[0, :5] - points[0, 5:7].mean(0)) * (BUILDS.stature[0] / stature)
    # Ears are a little further forward than those of generated people, as real ones are.
    assert np.abs(found - expected).max() < 0.045, np.round(found - expected, 3)


def test_a_head_that_moves_down_takes_the_face_with_it_and_tilts_it() -> None:
    person = standing(40)
    person[30:, COLUMN["head"]] += (0.08, 0, -0.04)
    points, facing, _ = placed(captured([("stand", person)]))
    rise = points[:, 0, 1] - points[:, 3:5, 1].mean(1)
    assert rise[35] < rise[5] - 0.02 and points[35, 0, 1] < points[5, 0, 1] - 0.04
    assert (points[35, 0] - points[5, 0]) @ facing[0] > 0.04


def test_feet_keep_their_height_above_the_floor_with_legs_of_any_length() -> None:
    motion = walking(60)
    motion[20:40, :, 2] += 0.4  # a jump
    for seed in range(6):
        points, _, _ = placed(captured([("jump", motion)]), draw_builds(np.random.default_rng(seed), 1))
        expected = motion[:, [COLUMN["l_ankle"], COLUMN["r_ankle"]], 2].min(1)
        np.testing.assert_allclose(points[:, 15:, 1].min(1), expected, atol=0.002)


def test_joints_are_interpolated_between_frames() -> None:
    bodies = Bodies(captured([("walk", walking(30))]))
    found = bodies.frames(0, np.array([3.0, 3.25, 4.0, 29.0]))
    np.testing.assert_allclose(found[1], 0.75 * found[0] + 0.25 * found[2])
    assert np.isfinite(found).all()


def test_unknown_joints_are_placed_at_the_next_one_and_marked() -> None:
    person = standing(3)
    person[1, [COLUMN[name] for name in ("r_elbow", "r_wrist", "l_hip", "head")]] = np.nan
    bodies = Bodies(captured([("stand", person)]))
    shown, missing, cut = filled(bodies.frames(0, np.arange(3.0)))
    assert np.isfinite(shown).all() and not cut.any()
    unknown = missing_keypoints(missing)
    assert np.flatnonzero(unknown[1]).tolist() == [0, 1, 2, 3, 4, 8, 10, 11] and not unknown[[0, 2]].any()
    np.testing.assert_array_equal(shown[1, 8], shown[1, 4])  # wrist at the shoulder
    np.testing.assert_allclose(shown[1, 9], shown[0, 9], atol=0.05)  # a hip opposite the other


def test_without_hips_or_shoulders_there_is_no_body() -> None:
    person = standing(4)
    person[1, [COLUMN[name] for name in ("pelvis", "l_hip", "r_hip")]] = np.nan
    person[2, [COLUMN[name] for name in ("l_shoulder", "r_shoulder")]] = np.nan
    person[3, COLUMN["pelvis"]] = np.nan
    cut = filled(Bodies(captured([("stand", person)])).frames(0, np.arange(4.0)))[2]
    assert cut.tolist() == [False, True, True, False]
