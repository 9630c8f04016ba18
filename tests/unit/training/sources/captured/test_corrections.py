"""Rests within actions are unknown, and arms that are held up are lowered."""

from __future__ import annotations

import numpy as np

from support.training.captured_people import COLUMN, captured, standing, walking, waving
from training.sources.captured.bodies import ELBOWS, SHOULDERS, WRISTS, Bodies
from training.sources.captured.corrections import with_lowered_arms, without_rest


def kept(action: str, joints: np.ndarray) -> np.ndarray:
    return without_rest(captured([(action, joints)])).action >= 0


def test_a_wave_between_rests_keeps_its_own_frames_only() -> None:
    joints = np.concatenate([standing(30), waving(40), standing(30)])
    found = kept("wave", joints)
    assert found[33:67].all() and not found[:26].any() and not found[74:].any()


def test_a_lowered_arm_that_swings_does_not_rest() -> None:
    joints = standing(40)
    swing = 0.25 * np.sin(2 * np.pi * np.arange(40) / 15)
    joints[:, COLUMN["r_wrist"], 0] += swing
    assert kept("throw", joints).mean() > 0.8


def test_a_kick_is_kept_while_a_foot_is_up_or_moves() -> None:
    joints = standing(60)
    joints[20:40, COLUMN["l_ankle"]] += (0.6, 0, 0.5)
    found = kept("kick", joints)
    assert found[20:40].all() and not found[:16].any() and not found[44:].any()


def test_other_rests_when_a_standing_person_is_still_whatever_the_arms_do() -> None:
    joints = np.concatenate([standing(60), waving(30)])
    joints[:30, COLUMN["l_wrist"]] = (0.5, 0.3, 1.4)
    joints[:30, COLUMN["l_elbow"]] = (0.3, 0.3, 1.4)
    low = standing(30)
    low[:, [COLUMN[name] for name in ("pelvis", "l_hip", "r_hip")], 2] -= 0.4
    found = kept("other", np.concatenate([joints, low]))
    assert not found[:26].any() and not found[34:57].any()
    assert found[64:86].mean() > 0.6 and found[94:].all()


def test_other_actions_and_unknown_frames_stay_unchanged() -> None:
    clips = captured([("stand", standing(20)), ("walk", walking(20)), ("", standing(5))])
    np.testing.assert_array_equal(without_rest(clips).action, clips.action)


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
