"""Sequences from 2-D clips: detections of people of any height, faces, scores, targets, and resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.vocabulary import packaged
from tests.support.training.planar_people import person, pose_clips
from training.sources.motion_clips import POSES, MotionClips, read_clips
from training.sources.poses import Poses

VOCABULARY = packaged("edge")
PART = VOCABULARY.part_index


def index(action: str) -> int:
    return VOCABULARY.action_index(action)


def films(source: str = "penn_action") -> MotionClips:
    """Return clips of a source in which only the head's centre is known of the face."""
    keypoints = [person(frames, turn=turn) for frames, turn in ((90, 0), (30, 90), (90, 180), (45, 270))]
    keypoints.append(person(90, hands_up=True))
    for clip in keypoints:
        clip[:, 1:5] = np.nan
    return pose_clips(keypoints, ["stand", "throw", "stand", "walk", "wave"], source=source)


def poses(seed: int = 3, source: str = "penn_action") -> Poses:
    return Poses([films(source)], VOCABULARY, seed)


def test_sequences_end_with_the_action_asked_for_unless_it_cannot_be_seen() -> None:
    made = poses().sequences(200, 30, "throw")
    last = made.action[np.arange(200), made.lengths - 1]
    assert set(last.tolist()) <= {index("throw"), index("other")}
    assert (last == index("throw")).mean() > 0.85
    assert (made.action[~made.real] == -1).all()


def test_steps_have_the_action_of_their_frame() -> None:
    clip = person(90)
    two = pose_clips([clip], ["stand"])
    action = two.action.copy()
    action[:45] = -1
    changed = Poses([replace(two, action=action)], VOCABULARY, 0)
    made = changed.sequences(100, 40)
    assert made.lengths.max() > 5
    ends = made.action[np.arange(100), made.lengths - 1]
    assert (ends != -1).all()
    starts = made.action[made.lengths > 20][:, 0]
    assert (starts == -1).any()


def test_annotated_people_have_faces_as_often_as_other_joints() -> None:
    made = poses().sequences(200, 20)
    present = (made.keypoints[made.real][..., 2] > 0.15).mean(0)
    assert present[:5].min() > 0.8 * present[5:].mean()
    eyes = np.linalg.norm(made.keypoints[:, 0, 1, :2] - made.keypoints[:, 0, 2, :2], axis=-1)
    assert np.median(eyes) > 0.5  # not all in one place


def test_mirrored_people_exchange_sides() -> None:
    raised = person(60, hands_up=True)
    raised[:, [8, 10]] = person(60)[:, [8, 10]]  # the right arm hangs
    made = Poses([pose_clips([raised], ["wave"])], VOCABULARY, 1).sequences(200, 10)
    step = made.keypoints[:, 0]
    up = step[:, [9, 10], 1] < step[:, [5, 6], 1]
    assert 0.3 < up[:, 0].mean() < 0.7 and 0.3 < up[:, 1].mean() < 0.7
    known = made.states_known[:, 0][:, [PART("left_hand"), PART("right_hand")]]
    raise_ = next(number for number, state in enumerate(VOCABULARY.states) if state.verb == "raise")
    hands = made.states[:, 0][:, [PART("left_hand"), PART("right_hand")], raise_]
    sure = known[..., raise_].all(1)
    assert sure.mean() > 0.8 and (hands[sure].sum(1) == 1).all()
    # The state is on the side where the detections show it, but for the detector's own exchanges of sides.
    assert (hands[sure] == up[sure]).mean() > 0.9


def test_joints_that_a_detector_located_jitter_less_than_annotated_ones() -> None:
    def jitter(source: str) -> float:
        made = poses(source=source).sequences(200, 20, "stand")
        whole = made.lengths > 10
        height = made.boxes[whole, :10, 3] - made.boxes[whole, :10, 1]
        second = np.diff(made.keypoints[whole, :10, 5:7, :2], 2, axis=1)
        return float(np.median(np.linalg.norm(second, axis=-1) / height[:, 1:9, None]))

    assert jitter("webcams") < 0.6 * jitter("penn_action")


def test_relevance_is_known_where_the_action_alone_defines_it() -> None:
    source = poses()
    walk = source.sequences(50, 10, "walk")
    steps = walk.action == index("walk")
    assert walk.relevance_known[steps].all()
    assert walk.relevance[steps][:, [PART("left_leg"), PART("hip")]].all()
    assert not walk.relevance[steps][:, PART("head")].any()
    wave = source.sequences(50, 10, "wave")
    steps = wave.action == index("wave")
    limbs = [PART(f"{side}_{limb}") for side in ("left", "right") for limb in ("arm", "hand")]
    assert not wave.relevance_known[steps][:, limbs].any()
    assert wave.relevance_known[steps][:, PART("left_leg")].all() and not wave.relevance[steps].any()
    other = wave.action == index("other")
    assert not wave.relevance_known[other].any() and not wave.relevance_known[~wave.real].any()


def test_jumping_jacks_of_penn_action_are_not_learned_as_other() -> None:
    keypoints = [person(30), person(30)]
    clips = pose_clips(
        keypoints, ["other", "squat"], source="penn_action", text=["jumping_jacks 0001 view=front", "squat 0002"]
    )
    with pytest.raises(ValueError, match="no clip shows 'other'; available: squat"):
        Poses([clips], VOCABULARY, 0).sequences(1, 8, "other")


def test_a_saved_state_resumes_with_the_same_batches() -> None:
    one, other = poses(seed=1), poses(seed=2)
    one.batch(4, 10)
    state = one.state()
    expected = one.batch(8, 12)
    other.restore(state)
    again = other.batch(8, 12)
    for name in ("parts", "context", "action", "states_known", "relevance_known", "dt"):
        assert torch.equal(getattr(expected, name), getattr(again, name)), name


def test_a_file_of_a_data_folder_is_read_with_its_unit(tmp_path: Path) -> None:
    clips = films("webcams")
    folder = tmp_path / POSES
    folder.mkdir()
    np.savez(
        folder / "webcams.npz",
        keypoints=clips.points,
        keypoint_names=np.array(clips.names),
        start=clips.start,
        frame_label=clips.action.astype(np.int8),
        frame_labels=np.array(clips.actions),
        fps=clips.fps,
        unit="image: x/width, y/height",
    )
    (read,) = read_clips(tmp_path, POSES, {"webcams"})
    assert read.unit.startswith("image")
    assert Poses([read], VOCABULARY, 0).batch(4, 8).parts.shape[:2] == (4, 8)
