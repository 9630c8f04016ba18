"""Simulated detector errors: hidden joints are guessed, small people misjudged, some people unreadable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.third_party import weights
from stages.vocabulary import Vocabulary, packaged
from training.synthetic.activities import MotionLibrary
from training.synthetic.motion.motion import POSITION
from training.synthetic.motion.movement import upright
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.sequences.cameras import View, look
from training.synthetic.sequences.detector_errors import draw_unreadable, mistake_neighbours, readable
from training.synthetic.sequences.generator import Generator, draw_times, reported_times
from training.synthetic.sequences.keypoint_noise import Detections, detect

COUNT, STEPS = 240, 40
TIMES = np.arange(STEPS)[None].repeat(COUNT, 0) * 0.1


@pytest.fixture(scope="module")
def motions() -> Path:
    return weights.fetch("motion")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return packaged("edge")


@pytest.fixture(scope="module")
def standing() -> tuple[View, Detections]:
    """Return views of people who stand perfectly still, and their detections."""
    rng = np.random.default_rng(21)
    builds = draw_builds(rng, COUNT)
    points, facing = joints(np.repeat(upright(TIMES[0])[None], COUNT, 0), builds)
    view = look(rng, points, facing, builds.stature, TIMES, np.zeros(COUNT, bool), held_out=False)
    return view, detect(rng, view, TIMES, np.zeros(COUNT, bool))


def test_joints_outside_the_picture_score_near_zero_but_hidden_joints_of_small_people_do_not(
    standing: tuple[View, Detections],
) -> None:
    view, found = standing
    edges = view.picture[:, None, None]
    outside = ((view.points < edges[..., :2]) | (view.points > edges[..., 2:])).any(-1)
    whole = (found.keypoints[..., 5:, 2] > 0.1).mean((1, 2)) > 0.5
    scores = found.keypoints[whole][..., 2]
    hidden = ~found.seen[whole] & ~outside[whole]
    small = (view.stature[whole] < 90)[..., None]
    assert np.percentile(scores[outside[whole]], 90) <= 0.25
    assert 0.2 < np.median(scores[hidden & small]) < np.median(scores[found.seen[whole] & small])
    assert np.median(scores[hidden & ~small]) < np.median(scores[hidden & small])


def test_left_and_right_shoulders_swap_more_often_for_small_people(standing: tuple[View, Detections]) -> None:
    view, found = standing
    order = np.sign(found.keypoints[:, :, 5, 0] - found.keypoints[:, :, 6, 0])
    changes = (np.diff(order, axis=1) != 0).sum(1) / TIMES[0, -1]
    stature = view.stature.mean(1)
    assert 0.4 < changes[stature < 110].mean() < 1.4
    assert changes[stature > 250].mean() < 0.6 * changes[stature < 110].mean()


def test_limbs_are_occasionally_taken_from_a_neighbour(standing: tuple[View, Detections]) -> None:
    view, _ = standing
    gap = np.diff(TIMES, axis=1, prepend=TIMES[:, :1])
    found = mistake_neighbours(np.random.default_rng(3), view.points, view, TIMES, gap)
    moved = np.linalg.norm(found - view.points, axis=-1) > 0.1 * view.stature[..., None]
    assert not moved[:, :, :7].any(), "only limbs are"
    assert 0.02 < moved.any((1, 2)).mean() < 0.14
    assert 0.0005 < moved[:, :, 7:].mean() < 0.02


def test_garbled_people_faces_and_heads_are_unreadable() -> None:
    unreadable = draw_unreadable(np.random.default_rng(5), 4000)
    assert 0.01 < unreadable.garbled.mean() < 0.03 and 0.008 < unreadable.strip.mean() < 0.025
    seen = np.ones((4000, 1, 17), bool)
    seen[:2000, :, 7:] = False
    recognisable = readable(unreadable, seen)[:, 0]
    assert not recognisable[:2000].any()
    np.testing.assert_array_equal(recognisable[2000:], ~(unreadable.garbled | unreadable.strip)[2000:])


def test_unreadable_steps_have_the_target_other(motions: Path, vocabulary: Vocabulary) -> None:
    batch = Generator(motions, vocabulary, 31).batch(250, 12, action="walk")
    other = vocabulary.action_index("other")
    real = np.arange(12) < batch.lengths[:, None]
    head_alone = ~batch.seen[:, :, 7:].any(-1) & real & (batch.action >= 0)
    assert head_alone.any() and (batch.action[head_alone] == other).all()
    assert not batch.relevance_known[head_alone].any()
    strips = (batch.boxes[..., 2] - batch.boxes[..., 0]) / (batch.boxes[..., 3] - batch.boxes[..., 1]) > 2.5
    faces = strips & (batch.keypoints[:, :, 5:, 2] < 0.1).all(-1) & real & (batch.action >= 0)
    assert faces.any() and (batch.action[faces] == other).all()
    assert 0.01 < (batch.action[real] == other).mean() < 0.12


def test_half_of_the_cameras_report_inexact_instants_in_order() -> None:
    rng = np.random.default_rng(8)
    times = draw_times(rng, 400, 64)
    times[:, 50:] = times[:, 49:50]
    reported = reported_times(rng, times)
    assert (reported[:, 50:] == reported[:, 49:50]).all()
    assert (np.diff(reported[:, :50], axis=1) > 0).all()
    off = np.abs(reported - times)
    assert 0.4 < (off.max(1) > 0).mean() < 0.6
    assert (off[:, 1:50] <= 0.46 * np.diff(times, axis=1)[:, :49]).all()


def test_people_walk_as_fast_as_in_a_street(motions: Path) -> None:
    """Adults walk at 1.1 to 1.5 m/s, 0.65 to 0.9 statures per second; a leg is 0.49 statures."""
    rng, times = np.random.default_rng(2), np.arange(40) * 0.1
    for style in MotionLibrary(motions).styles:
        if style.action != "walk" or style.held_out or style.name not in ("curves", "captured"):
            continue
        ways = [np.diff(style.make(rng, times).poses[:, POSITION][:, [0, 2]], axis=0) for _ in range(80)]
        speeds = np.array([np.linalg.norm(way, axis=1).sum() for way in ways]) * 0.491 / times[-1]
        moving = speeds[speeds > 0.15]
        assert len(moving) > 65, "few are on a treadmill"
        assert 0.5 < np.median(moving) < 0.9, style.name
