"""The generator's motion: reading of clips, joints from limb poses, determinism."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stages.third_party import weights
from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.motion import (
    ANKLES,
    ROOT,
    WIDTH,
    MotionFormatError,
    axis_rotation,
    blend,
    mirror,
    quaternion_multiply,
    read_motion,
    read_motions,
    rotate,
)
from training.synthetic.motion.movement import (
    ACTIONS,
    ARM_POSITIONS,
    TAG_INDEX,
    Movement,
    mirrored,
    set_arm,
    tags_of,
    upright,
)
from training.synthetic.motion.procedural import GESTURES
from training.synthetic.motion.skeleton import Builds, draw_builds, joints


@pytest.fixture(scope="module")
def motions() -> Path:
    return weights.fetch("motion")


def a_build(stature: float = 1.7) -> Builds:
    one = np.array([stature])
    return Builds(
        stature=one,
        thigh=0.245 * one,
        shank=0.246 * one,
        upper_arm=0.182 * one,
        forearm=0.148 * one,
        torso=0.29 * one,
        shoulder=0.115 * one,
        hip=0.062 * one,
        head=0.13 * one,
    )


def test_rotations_compose_in_the_order_of_the_product() -> None:
    first, second = axis_rotation(1, 0.7), axis_rotation(2, -0.4)
    vector = np.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(
        rotate(quaternion_multiply(first, second), vector), rotate(first, rotate(second, vector)), atol=1e-12
    )


def test_all_fifteen_clips_are_read_and_stand_on_the_ground(motions: Path) -> None:
    clips = read_motions(motions)
    assert len(clips) == 15
    for clip in clips.values():
        points, _ = joints(clip.at(np.linspace(0, clip.duration, 30))[None], a_build())
        lowest = points[..., 1].min()
        assert -0.25 < lowest < 0.3, clip.name
        assert np.isfinite(points).all()


def test_the_walking_clip_has_walking_speed_and_heads_along_x(motions: Path) -> None:
    walk = read_motions(motions)["walk"]
    metres_a_second = walk.travel[0] * 0.83 / walk.duration
    assert 0.7 < metres_a_second < 1.8
    assert abs(walk.travel[1]) < 0.1


def test_a_looping_clip_continues_from_where_its_loop_ended(motions: Path) -> None:
    walk = read_motions(motions)["walk"]
    times = np.linspace(0, 3 * walk.duration, 200)
    forward = walk.at(times)[:, 0]
    assert forward[-1] == pytest.approx(3 * walk.travel[0], abs=0.02)
    assert np.abs(np.diff(forward)).max() < 0.1


def test_a_damaged_clip_is_rejected_by_name(tmp_path: Path) -> None:
    file = tmp_path / "humanoid3d_bad.txt"
    file.write_text(json.dumps({"Loop": "wrap", "Frames": [[0.1] * 43, [0.1] * 43]}))
    with pytest.raises(MotionFormatError, match=r"humanoid3d_bad.txt.*44"):
        read_motion(file)
    with pytest.raises(MotionFormatError, match="no humanoid3d"):
        read_motions(tmp_path / "empty")


def test_a_standing_pose_gives_every_build_its_own_limb_lengths() -> None:
    rng = np.random.default_rng(0)
    builds = draw_builds(rng, 50)
    points, facing = joints(np.repeat(upright(np.zeros(2))[None], 50, 0), builds)
    np.testing.assert_allclose(np.linalg.norm(points[:, 0, 11] - points[:, 0, 13], axis=-1), builds.thigh, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(points[:, 0, 7] - points[:, 0, 9], axis=-1), builds.forearm, rtol=1e-6)
    np.testing.assert_allclose(facing[:, 0], np.broadcast_to([1.0, 0.0, 0.0], (50, 3)), atol=1e-9)
    crown = points[:, 0, 1, 1] + 0.06 * builds.stature
    assert (np.abs(crown / builds.stature - 1) < 0.15).all()
    assert (points[:, 0, 5, 2] < points[:, 0, 6, 2]).all(), "left is on the left"


def test_the_wrist_is_at_the_given_arm_position() -> None:
    poses = upright(np.zeros(1))
    set_arm(poses, 1, np.array([0.6, 0.2, 0.1]), np.array([0.0, -1.0, 0.0]))
    build = a_build()
    points, _ = joints(poses[None], build)
    np.testing.assert_allclose(points[0, 0, 10] - points[0, 0, 6], np.array([0.6, 0.2, 0.1]) * build.arm[0], atol=1e-6)
    assert points[0, 0, 8, 1] < points[0, 0, 10, 1], "the elbow hangs"


def test_every_named_arm_position_is_within_reach() -> None:
    for name, (wrist, _) in ARM_POSITIONS.items():
        assert 0.15 < np.linalg.norm(wrist) < 1.02, name


def test_mirroring_once_exchanges_sides_and_twice_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    poses = upright(np.zeros(4)) + 0.1 * rng.normal(size=(4, WIDTH))
    np.testing.assert_allclose(mirror(mirror(poses)), poses, atol=1e-12)
    tags = tags_of(4, "wave_l", "stand")
    other = mirrored(Movement(poses, tags, "wave"))
    assert other.tags[:, TAG_INDEX["wave_r"]].all() and not other.tags[:, TAG_INDEX["wave_l"]].any()
    assert other.tags[:, TAG_INDEX["stand"]].all()
    build = a_build()
    straight, _ = joints(upright(np.zeros(1))[None], build)
    swapped, _ = joints(mirror(upright(np.zeros(1)))[None], build)
    np.testing.assert_allclose(straight, swapped, atol=1e-9)


def test_blending_takes_the_shorter_way_round() -> None:
    first, second = upright(np.zeros(1)), upright(np.zeros(1))
    first[:, ROOT], second[:, ROOT] = axis_rotation(1, 0.2), -axis_rotation(1, 0.4)
    half = blend(first, second, np.array([0.5]))
    turned = rotate(half[0, ROOT], np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(np.arctan2(-turned[2], turned[0]), 0.3, atol=1e-3)


def test_every_action_has_a_trained_way_and_all_but_six_have_one_held_out(motions: Path) -> None:
    library = MotionLibrary(motions)
    made = {(style.action, style.held_out) for style in library.styles}
    made |= {(gesture.action, gesture.held_out) for gesture in GESTURES if gesture.action}
    assert all((action, False) in made for action in ACTIONS)
    without = [action for action in ACTIONS if (action, True) not in made]
    assert without == ["stand", "walk", "run", "crouch", "sit", "kick"]


def test_training_never_draws_a_held_out_style(motions: Path) -> None:
    library, rng = MotionLibrary(motions), np.random.default_rng(2)
    for action in ("jump", "lie", "fall", "throw", "carry", "dance", "other"):
        assert not any(library.choose(rng, action, held_out=False).held_out for _ in range(60))
        assert all(library.choose(rng, action, held_out=True).held_out for _ in range(20))


@pytest.mark.parametrize("step", [0.1, 0.04])
def test_every_style_makes_finite_poses_at_plausible_speeds(motions: Path, step: float) -> None:
    rng, build = np.random.default_rng(3), a_build()
    times = np.arange(50) * step
    for style in MotionLibrary(motions).styles:
        movement = style.make(rng, times)
        assert movement.poses.shape == (50, WIDTH)
        assert movement.tags.min() >= 0 and movement.tags.max() <= 1
        points, _ = joints(movement.poses[None], build)
        assert np.isfinite(points).all(), style.name
        speed = np.linalg.norm(np.diff(points[0], axis=0), axis=-1) / step
        assert np.percentile(speed, 99) < 20, f"{style.name}: {np.percentile(speed, 99):.0f} m/s"


def test_a_gesture_moves_the_arms_and_not_the_legs(motions: Path) -> None:
    rng, times = np.random.default_rng(4), np.arange(40) * 0.1
    for gesture in GESTURES:
        still = Movement(upright(times), tags_of(40, "stand"), "stand")
        gesture.apply(rng, still, times, np.ones(40))
        np.testing.assert_allclose(still.poses[:, ANKLES], upright(times)[:, ANKLES])
        assert np.abs(still.poses - upright(times)).max() > 0.1, gesture.name
        if gesture.action in ("wave", "clap", "punch"):
            tag = {"wave": "wave", "clap": "applaud", "punch": "strike"}[gesture.action]
            assert still.tags[:, [TAG_INDEX[f"{tag}_l"], TAG_INDEX[f"{tag}_r"]]].max() == 1.0
