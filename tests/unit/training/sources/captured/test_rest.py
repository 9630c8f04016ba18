"""Frames in which a labelled gesture rests have no action; frames of the gesture keep theirs."""

from __future__ import annotations

import numpy as np

from support.training.captured_people import COLUMN, captured, standing, walking, waving
from training.sources.captured.corrections import without_rest


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
