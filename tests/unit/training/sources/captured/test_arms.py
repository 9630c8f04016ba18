"""Raised arms are lowered for most people who stand or sit; all other arms stay unchanged."""

from __future__ import annotations

import numpy as np

from support.training.captured_people import COLUMN, captured, standing
from training.sources.captured.bodies import ELBOWS, SHOULDERS, WRISTS, Bodies
from training.sources.captured.corrections import with_lowered_arms

COUNT, STEPS = 400, 12


def people(motion: np.ndarray) -> np.ndarray:
    """Return many people with the same motion, [N, T, 15, 3]."""
    shown = Bodies(captured([("stand", motion)])).frames(0, np.arange(float(STEPS)))
    return np.repeat(shown[None], COUNT, 0)


def arms_out() -> np.ndarray:
    joints = standing(STEPS)
    for side, out in (("l", 1.0), ("r", -1.0)):
        joints[:, COLUMN[f"{side}_elbow"]] = (0, out * 0.5, 1.42)
        joints[:, COLUMN[f"{side}_wrist"]] = (0, out * 0.76, 1.5)
    return joints


def lowered(joints: np.ndarray, apt: bool = True, seed: int = 1) -> np.ndarray:
    gap = np.full((COUNT, STEPS), 0.1)
    return with_lowered_arms(np.random.default_rng(seed), joints, gap, np.full(COUNT, apt))


def test_three_quarters_of_the_people_with_raised_arms_lower_both() -> None:
    before = people(arms_out())
    after = lowered(before)
    changed = (after != before).any((1, 2, 3))
    assert 0.65 < changed.mean() < 0.85
    down = after[:, :, SHOULDERS, 1] - after[:, :, ELBOWS, 1]
    assert (down[changed] > 0.1).all()
    # Wrists are below the shoulders and, as elbows are, not inside the other half of the body.
    assert (after[changed][:, :, WRISTS, 1] < after[changed][:, :, SHOULDERS, 1]).all()
    assert (after[changed][:, :, ELBOWS, 2][..., 0] < 0).all() and (after[changed][:, :, ELBOWS, 2][..., 1] > 0).all()


def test_arms_keep_their_lengths_and_the_rest_of_the_body_its_place() -> None:
    before = people(arms_out())
    after = lowered(before)
    for first, second in ((SHOULDERS, ELBOWS), (ELBOWS, WRISTS)):
        lengths = [np.linalg.norm(one[:, :, second] - one[:, :, first], axis=-1) for one in (before, after)]
        np.testing.assert_allclose(*lengths)
    still = [index for index in range(15) if index not in range(ELBOWS.start, WRISTS.stop)]
    np.testing.assert_array_equal(after[:, :, still], before[:, :, still])


def test_bent_arms_reach_forward() -> None:
    after = lowered(people(arms_out()))
    ahead = after[:, :, WRISTS, 0] - after[:, :, SHOULDERS, 0]
    assert 0.1 < (ahead > 0.25).mean() < 0.6 and (ahead > -0.2).all()
