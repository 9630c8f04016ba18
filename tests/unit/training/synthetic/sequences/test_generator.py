"""Generated batches: labels match the 3-D joints, noise resembles the detector's, a seed gives the same data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.detection.part_boxes import part_boxes
from stages.keypoint_features.skeleton import skeleton_points, step_stature
from stages.third_party import weights
from stages.vocabulary import Vocabulary, packaged
from support.training.resting_scene import resting_scene
from training.synthetic.motion.movement import ACTION_INDEX, TAG_INDEX, set_arm, tags_of, upright
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.sequences.cameras import look
from training.synthetic.sequences.generator import Generator, draw_times
from training.synthetic.sequences.keypoint_noise import detect
from training.synthetic.sequences.labels import part_states, relevance
from training.synthetic.sequences.scenes import UNSURE, draw_scene


@pytest.fixture(scope="module")
def motions() -> Path:
    return weights.fetch("motion")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return packaged("edge")


def states_of(vocabulary: Vocabulary, poses: np.ndarray, tags: np.ndarray) -> dict[str, set[str]]:
    builds = draw_builds(np.random.default_rng(0), 1)
    points, facing = joints(poses[None], builds)
    times = np.arange(len(poses))[None] * 0.1
    found = part_states(vocabulary, points, facing, tags[None], times, builds.stature)[0, -1]
    return {
        part: {label for column, label in enumerate(vocabulary.state_labels) if found[row, column]}
        for row, part in enumerate(vocabulary.parts)
    }


def test_a_person_at_rest_stands_and_does_nothing_else(vocabulary: Vocabulary) -> None:
    scene = resting_scene(np.arange(10) * 0.1)
    states = states_of(vocabulary, scene.poses, scene.tags)
    assert states["hip"] == states["left_leg"] == states["right_foot"] == {"stand"}
    assert states["left_arm"] == states["right_hand"] == states["head"] == {"none"}


def test_a_raised_waving_hand_is_labelled_on_its_own_side_only(vocabulary: Vocabulary) -> None:
    times = np.arange(10) * 0.1
    poses, tags = upright(times), tags_of(10, "stand", "wave_r")
    set_arm(poses, 1, np.array([0.2, 0.6, 0.3]), np.array([0.0, -1.0, 1.0]))
    states = states_of(vocabulary, poses, tags)
    assert states["right_hand"] == {"raise", "wave"}
    assert {"bend", "wave"} <= states["right_arm"]
    assert states["left_hand"] == states["left_arm"] == {"none"}


def test_every_part_has_a_state_at_every_step(motions: Path, vocabulary: Vocabulary) -> None:
    batch = Generator(motions, vocabulary, 5).batch(60, 64)
    assert batch.states.any(-1).all()
    none = vocabulary.state_index("none")
    assert (batch.states[..., none] == ~np.delete(batch.states, none, -1).any(-1)).all()
    assert not batch.states[:, :, ~vocabulary.mask()].any()


def test_the_relevant_parts_of_a_wave_are_the_arm_and_hand_that_wave(vocabulary: Vocabulary) -> None:
    times = np.arange(6)[None] * 0.1
    builds = draw_builds(np.random.default_rng(0), 1)
    points, _ = joints(upright(times[0])[None], builds)
    action = np.full((1, 6), ACTION_INDEX["wave"])
    tags = tags_of(6, "stand", "wave_l")[None]
    defining, known = relevance(vocabulary, action, points, tags, times, builds.stature)
    assert known.all()
    assert {vocabulary.parts[i] for i in np.flatnonzero(defining[0, 0])} == {"left_arm", "left_hand"}
    unsure, known = relevance(vocabulary, np.full((1, 6), UNSURE), points, tags, times, builds.stature)
    assert not known.any() and not unsure.any()


def test_a_scene_ends_with_the_requested_action(motions: Path, vocabulary: Vocabulary) -> None:
    generator = Generator(motions, vocabulary, 6)
    for action in ("walk", "sit", "wave", "clap", "punch"):
        batch = generator.batch(60, 64, action=action)
        last = batch.action[np.arange(60), batch.lengths - 1]
        right = (last == vocabulary.action_index(action)).mean()
        assert right > 0.6, f"{action}: {right}"
        assert set(np.unique(last)) - {-1, vocabulary.action_index(action)} <= {
            vocabulary.action_index(name)
            for name in ("stand", "walk", "sit", "crouch", "jump", "wave", "clap", "other")
        }


def test_changes_of_action_have_no_target_while_they_last(motions: Path) -> None:
    from training.synthetic.activities import MotionLibrary

    library, rng = MotionLibrary(motions), np.random.default_rng(7)
    times = np.arange(64) * 0.1
    changes = 0
    for _ in range(80):
        labels = draw_scene(rng, library, times, held_out=False).action
        sure = labels[labels != UNSURE]
        changes += int((np.diff(sure) != 0).sum() > 0 and (labels == UNSURE).any())
    assert changes > 15


def test_the_same_seed_gives_the_same_batches_and_a_saved_state_resumes(motions: Path, vocabulary: Vocabulary) -> None:
    first, second = Generator(motions, vocabulary, 8), Generator(motions, vocabulary, 8)
    np.testing.assert_array_equal(first.batch(20, 64).keypoints, second.batch(20, 64).keypoints)
    state = first.state()
    expected = first.batch(20, 64)
    second.restore(state)
    again = second.batch(20, 64)
    np.testing.assert_array_equal(again.keypoints, expected.keypoints)
    np.testing.assert_array_equal(again.states, expected.states)
    assert not np.array_equal(Generator(motions, vocabulary, 9).batch(20, 64).keypoints, expected.keypoints)


def test_times_have_gaps_stay_within_two_seconds_and_never_go_back() -> None:
    times = draw_times(np.random.default_rng(1), 400, 64)
    gaps = np.diff(times, axis=1)
    assert (gaps > 0).all() and gaps.max() <= 2.0
    median = np.median(gaps, axis=1)
    assert median.min() > 1 / 30 - 0.02 and (gaps.max(1) > 2 * median).mean() > 0.3


def test_people_have_the_requested_range_of_heights_in_every_camera() -> None:
    rng = np.random.default_rng(2)
    count, times = 200, np.arange(8)[None].repeat(200, 0) * 0.1
    builds = draw_builds(rng, count)
    points, facing = joints(np.repeat(upright(times[0])[None], count, 0), builds)
    view = look(rng, points, facing, builds.stature, times, np.zeros(count, bool), held_out=False)
    assert view.stature.min() > 20 and view.stature.max() < 560
    assert (view.depth > 0.5).all()
    head, feet = view.points[:, 0, :5, 1].min(1), view.points[:, 0, 15:, 1].max(1)
    assert (head < feet).all(), "heads are up"
    front = look(rng, points, facing, builds.stature, times, np.ones(count, bool), held_out=False)
    assert (front.facing.mean(1) > 0).mean() > 0.7


def test_joint_noise_matches_footage(motions: Path, vocabulary: Vocabulary) -> None:
    """For people 60 to 110 px tall, within a factor of 1.6 of MoveNet's on a street scene (docs/training.md)."""
    batch = Generator(motions, vocabulary, 10).batch(250, 64, action="stand")
    shares: list[np.ndarray] = []
    for row in np.flatnonzero((batch.stature > 60) & (batch.stature < 110)):
        keypoints = batch.keypoints[row, : batch.lengths[row]]
        if len(keypoints) < 10:
            continue
        points, _, present = skeleton_points(keypoints)
        stature = np.median(step_stature(points, present, batch.boxes[row, : batch.lengths[row]]))
        xy = keypoints[..., :2]
        shares.append(np.linalg.norm(xy[2:] - 2 * xy[1:-1] + xy[:-2], axis=-1) / 2 / stature * 100)
    median = np.median(np.concatenate(shares), axis=0)
    for joint, measured in ((5, 1.58), (9, 2.55), (11, 1.62), (15, 2.72)):
        assert measured / 1.6 < median[joint] < measured * 1.6, (joint, median[joint])


def test_hidden_and_cut_off_joints_score_lower_and_boxes_have_an_extent(motions: Path, vocabulary: Vocabulary) -> None:
    batch = Generator(motions, vocabulary, 11).batch(200, 64)
    score = batch.keypoints[..., 2]
    assert np.median(score[batch.seen]) > 0.4
    assert np.median(score[~batch.seen]) < 0.25
    assert 0.05 < (~batch.seen[..., 15]).mean() < 0.6
    assert (batch.boxes[..., 2] > batch.boxes[..., 0]).all() and (batch.boxes[..., 3] > batch.boxes[..., 1]).all()


def test_a_raised_hand_is_present_as_often_as_a_hanging_one(motions: Path, vocabulary: Vocabulary) -> None:
    batch = Generator(motions, vocabulary, 12).batch(150, 64, action="wave")
    hand = vocabulary.part_index("left_hand")
    raised = batch.states[:, :, hand, vocabulary.state_index("raise")] & batch.seen[:, :, 9]
    hanging = ~batch.states[:, :, hand, vocabulary.state_index("raise")] & batch.seen[:, :, 9]
    present = part_boxes(batch.keypoints, batch.boxes, (1e6, 1e6)).present[:, :, hand]
    assert present[raised].mean() > 0.8
    assert abs(present[raised].mean() - present[hanging].mean()) < 0.1


def test_ankles_change_sides_in_a_few_percent_of_frames() -> None:
    rng = np.random.default_rng(3)
    count = 300
    times = np.arange(40)[None].repeat(count, 0) * 0.1
    builds = draw_builds(rng, count)
    poses = upright(times[0])
    poses[:, 27 + 2], poses[:, 30 + 2] = -0.3, 0.3  # feet apart, so that a swap is distinguishable from noise
    points, facing = joints(np.repeat(poses[None], count, 0), builds)
    view = look(rng, points, facing, builds.stature, times, np.zeros(count, bool), held_out=False)
    found = detect(rng, view, times, np.zeros(count, bool))
    true = view.points[:, :, 15, 0] - view.points[:, :, 16, 0]
    detected = found.keypoints[:, :, 15, 0] - found.keypoints[:, :, 16, 0]
    clear = (np.abs(true) > 0.2 * view.stature) & found.seen[:, :, 15:].all(-1)
    swapped = (np.sign(true) != np.sign(detected))[clear].mean()
    assert 0.01 < swapped < 0.12


def test_hands_held_together_are_not_a_clap(motions: Path, vocabulary: Vocabulary) -> None:
    times = np.arange(10) * 0.1
    poses, tags = upright(times), tags_of(10, "stand", "hold")
    for side in (0, 1):
        set_arm(poses, side, np.array([0.4, -0.3, -0.33]), np.array([0.0, -1.0, 0.7]))
    states = states_of(vocabulary, poses, tags)
    assert states["left_hand"] == states["right_hand"] == {"hold"}
    assert tags[:, TAG_INDEX["applaud_l"]].max() == 0
