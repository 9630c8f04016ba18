"""Part states with unknown tags, and detections with joints whose place is unknown."""

from __future__ import annotations

import numpy as np
import pytest

from stages.vocabulary import packaged
from training.synthetic.motion.movement import TAGS, upright
from training.synthetic.motion.skeleton import draw_builds, joints
from training.synthetic.sequences.cameras import look
from training.synthetic.sequences.keypoint_noise import Detections, detect
from training.synthetic.sequences.labels import known_part_states, part_states

VOCABULARY = packaged("edge")


def anybody(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.random.Generator]:
    """Return joints in random places [8, 9, 17, 3], facing, times and statures."""
    rng = np.random.default_rng(seed)
    points = rng.normal((0, 1, 0), 0.5, (8, 9, 17, 3))
    times = np.cumsum(rng.uniform(0.05, 0.5, (8, 9)), 1)
    return points, rng.normal(size=(8, 9, 3)), times, rng.uniform(1, 2, 8), rng


@pytest.mark.parametrize("seed", range(4))
def test_no_value_of_the_unknown_tags_changes_a_known_state(seed: int) -> None:
    """Compare with the states for all values of three unknown tags, which may be any."""
    points, facing, times, stature, rng = anybody(seed)
    tags = rng.random((8, 9, len(TAGS))) < 0.3
    for _ in range(12):
        unknown = rng.choice(len(TAGS), 3, replace=False)
        known = np.ones_like(tags)
        known[..., unknown] = False
        states, states_known = known_part_states(VOCABULARY, points, facing, tags, known, times, stature)
        assert states_known.mean() > 0.8
        for number in range(8):
            values = tags.copy()
            values[..., unknown] = [bool(number >> bit & 1) for bit in range(3)]
            expected = part_states(VOCABULARY, points, facing, values.astype(np.float64), times, stature)
            np.testing.assert_array_equal(states[states_known], expected[states_known])


def test_which_states_are_known_depends_on_the_tags_alone() -> None:
    """A state known only where the joints exclude it would be learned as rarer than it is."""
    rng = np.random.default_rng(0)
    tags = np.repeat(rng.random((8, 1, len(TAGS))) < 0.3, 9, 1)
    known = np.repeat(rng.random((8, 1, len(TAGS))) < 0.5, 9, 1)
    seen = [known_part_states(VOCABULARY, *body, tags, known, *when)[1] for body, when in (
        ((points, facing), (times, stature)) for points, facing, times, stature, _ in map(anybody, range(5))
    )]  # fmt: skip
    for one in seen:
        np.testing.assert_array_equal(one, np.repeat(seen[0][:, :1], 9, 1))


def test_with_all_tags_known_states_are_those_of_generated_people() -> None:
    points, facing, times, stature, rng = anybody(9)
    tags = rng.random((8, 9, len(TAGS))) < 0.3
    states, known = known_part_states(VOCABULARY, points, facing, tags, np.ones_like(tags), times, stature)
    np.testing.assert_array_equal(
        states, part_states(VOCABULARY, points, facing, tags.astype(np.float64), times, stature)
    )
    assert known.all()


def test_with_no_tag_known_a_bent_arm_is_known_and_a_step_is_not() -> None:
    points, facing, times, stature, _ = anybody(2)
    none = np.zeros((8, 9, len(TAGS)), dtype=bool)
    _, known = known_part_states(VOCABULARY, points, facing, none, none, times, stature)

    def share(part: str, state: str) -> float:
        return known[:, :, VOCABULARY.part_index(part), VOCABULARY.state_index(state)].mean()

    assert share("left_arm", "bend") == share("right_hand", "raise") == share("hip", "turn") == 1
    assert share("left_leg", "step") == share("hip", "jump") == 0
    assert share("left_leg", "bend") == share("left_leg", "none") == 0  # a bent leg may be stepping


def detected(missing: np.ndarray | None) -> Detections:
    rng = np.random.default_rng(6)
    times = np.arange(10)[None].repeat(40, 0) * 0.1
    builds = draw_builds(rng, 40)
    points, facing = joints(np.repeat(upright(times[0])[None], 40, 0), builds)
    nobody = np.zeros(40, dtype=bool)
    view = look(rng, points, facing, builds.stature, times, nobody, held_out=False)
    return detect(rng, view, times, nobody, missing=missing)


def test_missing_joints_are_unseen_with_scores_near_zero() -> None:
    missing = np.zeros((40, 10, 17), dtype=bool)
    missing[:, 3:, 9:11] = True
    found, usual = detected(missing), detected(None)
    assert not found.seen[:, 3:, 9:11].any()
    ordinary = found.keypoints[..., 2][usual.readable & found.readable]
    assert np.median(ordinary[:, 9]) < 0.3 < np.median(usual.keypoints[..., 9, 2])
    np.testing.assert_array_equal(found.seen[:, :3], usual.seen[:, :3])


def test_without_missing_joints_detections_stay_what_they_are() -> None:
    found, usual = detected(np.zeros((40, 10, 17), dtype=bool)), detected(None)
    np.testing.assert_array_equal(found.keypoints, usual.keypoints)
    np.testing.assert_array_equal(found.boxes, usual.boxes)
