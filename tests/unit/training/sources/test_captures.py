"""Captures as a source: windows, detections, targets, and which of them are known."""

from __future__ import annotations

import numpy as np
import pytest

from stages.vocabulary import Vocabulary, packaged
from support.training.captured_people import captured, punching, standing, walking, waving
from training.sequences import Sequences
from training.sources.captures import Captures
from training.sources.motion_clips import MotionClips
from training.sources.roles import roles

VOCABULARY = packaged("edge")


@pytest.fixture(scope="module")
def clips() -> list[MotionClips]:
    first = [("stand", standing(120)), ("walk", walking(150)), ("wave", waving(45, "r"))]
    turn = [*["stand"] * 60, *[""] * 15, *["wave"] * 75]
    second = [("walk", walking(90)), (turn, np.concatenate([standing(75), waving(75, "l")]))]
    return [captured(first, source="first"), captured(second, source="second")]


def index(action: str) -> int:
    return VOCABULARY.action_index(action)


def known_states(sequences: Sequences, part: str, *labels: str) -> tuple[np.ndarray, ...]:
    """Return, for each state of a part, values [N, T] at real steps where they are known."""
    row = VOCABULARY.part_index(part)
    out: list[np.ndarray] = []
    for label in labels:
        column = VOCABULARY.state_index(label)
        known = sequences.states_known[:, :, row, column]
        out.append(sequences.states[:, :, row, column][known])
    return tuple(out)


def test_a_restored_source_gives_the_batches_of_an_uninterrupted_one(clips: list[MotionClips]) -> None:
    source = Captures(clips, VOCABULARY, 4)
    source.sequences(5, 10)
    state = source.state()
    expected = source.sequences(5, 10)
    other = Captures(clips, VOCABULARY, 99)
    other.restore(state)
    again = other.sequences(5, 10)
    for name in ("keypoints", "boxes", "times_us", "action", "states_known"):
        np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))
    assert not np.array_equal(Captures(clips, VOCABULARY, 5).sequences(5, 10).keypoints, expected.keypoints)


def test_every_sequence_ends_with_the_chosen_action_unless_it_cannot_be_read(clips: list[MotionClips]) -> None:
    for action in ("wave", "stand"):
        found = Captures(clips, VOCABULARY, 2).sequences(120, 12, action=action)
        last = found.action[np.arange(120), found.lengths - 1]
        assert set(last.tolist()) == {index(action), index("other")}
        assert (last == index(action)).mean() > 0.8
    with pytest.raises(ValueError, match="no clip shows 'juggle'"):
        Captures(clips, VOCABULARY, 2).sequences(1, 4, action="juggle")


def test_steps_have_the_action_of_the_nearest_frame_and_none_between_actions(clips: list[MotionClips]) -> None:
    found = Captures(clips[1:], VOCABULARY, 3).sequences(200, 30, action="wave")
    order = {index("stand"): 0, -1: 1, index("wave"): 2}
    seen = set[tuple[int, ...]]()
    for actions, length in zip(found.action, found.lengths, strict=True):
        ranks = [order.get(int(action), 9) for action in actions[:length]]
        if 9 not in ranks:  # no unreadable step
            # Looped windows also show the wave, then the way back to standing.
            seen.add(tuple(sorted(set(ranks))))
            assert ranks[-1] == 2
    assert (0, 1, 2) in seen and (2,) in seen


def test_a_short_wave_fills_the_window_and_a_short_walk_does_not(clips: list[MotionClips]) -> None:
    source = Captures([captured([("wave", waving(30)), ("walk", walking(30))])], VOCABULARY, 6)
    waves, walks = (source.sequences(100, 30, action=action).lengths for action in ("wave", "walk"))
    assert (waves == 30).mean() > 0.5 and (walks == 30).mean() < 0.1


def test_only_clips_of_the_role_are_seen() -> None:
    people = [f"s{number}" for number in range(10)]
    tall = captured([("stand", standing(40))] * 10, people=people)
    role = roles(tall)
    for person, name in enumerate(role):  # those that test stand, the others wave
        if name != "test":
            at = tall.frames(person)
            tall.points[at] = waving(40)
    tested = Captures([tall], VOCABULARY, 1, role="test").sequences(40, 8)
    learned = Captures([tall], VOCABULARY, 1, role="train").sequences(40, 8)
    for found, expected in ((tested, 0.0), (learned, 1.0)):
        hands = np.concatenate(
            [*known_states(found, "left_hand", "raise"), *known_states(found, "right_hand", "raise")]
        )
        assert (hands.any() > 0) == (expected > 0)


def test_unreadable_steps_are_other_and_unknown_ones_stay_unknown(
    clips: list[MotionClips], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Captures(clips[1:], VOCABULARY, 3)
    readable = source.sequences(60, 30, action="wave")

    def none_readable(unreadable: object, seen: np.ndarray) -> np.ndarray:
        return np.zeros(seen.shape[:2], dtype=bool)

    monkeypatch.setattr("training.synthetic.sequences.detector_errors.readable", none_readable)
    again = Captures(clips[1:], VOCABULARY, 3).sequences(60, 30, action="wave")
    np.testing.assert_array_equal(again.action == -1, readable.action == -1)
    assert set(np.unique(again.action).tolist()) == {-1, index("other")}
    assert not again.relevance_known.any()


def test_standing_at_a_walking_pace_and_walking_on_the_spot_have_no_action() -> None:
    clips = captured([("stand", walking(120, 1.2)), ("walk", walking(120, 0.0))])
    for action in ("stand", "walk"):
        found = Captures([clips], VOCABULARY, 1).sequences(60, 12, action=action)
        middle = found.lengths > 3
        assert (found.action[middle, 1] != index(action)).all()
    right = captured([("stand", walking(120, 0.0)), ("walk", walking(120, 1.2))])
    found = Captures([right], VOCABULARY, 1).sequences(60, 12, action="walk")
    assert (found.action[found.lengths > 3, 1] == index("walk")).mean() > 0.8


# -- states and relevance ----------------------------------------------------------------------------------------
def test_the_waving_hand_is_known_to_wave_and_the_other_one_not_to(clips: list[MotionClips]) -> None:
    found = Captures(clips[:1], VOCABULARY, 7).sequences(80, 30, action="wave")
    left, right = (VOCABULARY.part_index(f"{side}_hand") for side in ("left", "right"))
    wave = VOCABULARY.state_index("wave")
    states, known = found.states[..., wave], found.states_known[..., wave]
    both = known[..., left] & known[..., right]
    assert both.any(1).mean() > 0.8
    assert (states[both][:, left] ^ states[both][:, right]).all()
    # Half are mirrored.
    assert 0.3 < states[both][:, left].mean() < 0.7
    # The hand that waves is raised, and it and its arm define the action.
    raised = found.states[..., VOCABULARY.state_index("raise")]
    for hand, arm in ((left, "left_arm"), (right, "right_arm")):
        waves = both & states[..., hand] & found.relevance_known[..., hand]
        assert waves.any() and raised[waves][:, hand].all()
        assert found.relevance[waves][:, hand].all() and found.relevance[waves][:, VOCABULARY.part_index(arm)].all()
        assert found.relevance[waves].sum() == 2 * waves.sum()


def test_the_striking_arm_is_known_to_strike_and_defines_the_action_and_the_other_one_is_unknown() -> None:
    found = Captures([captured([("punch", punching(90))])], VOCABULARY, 7).sequences(80, 30, action="punch")
    strike = VOCABULARY.state_index("strike")
    sides: list[np.ndarray] = []
    for side in ("left", "right"):
        arm, hand = (VOCABULARY.part_index(f"{side}_{part}") for part in ("arm", "hand"))
        known = found.states_known[..., arm, strike]
        np.testing.assert_array_equal(known, found.states_known[..., hand, strike])
        assert found.states[known][:, [arm, hand], strike].all()
        for part in (arm, hand):
            readable = known & (found.action == index("punch"))
            assert found.relevance_known[readable][:, part].all() and found.relevance[readable][:, part].all()
            assert not found.relevance_known[~known][:, part].any()
        sides.append(known)
    left, right = sides
    assert (left | right).any(1).mean() > 0.5 and not (left & right).any()
    assert not (left.any(1) & right.any(1)).any()
    assert 0.3 < left.any(1).sum() / (left | right).any(1).sum() < 0.7  # half are mirrored


def test_without_an_action_only_what_the_joints_say_is_known() -> None:
    labels = [*[""] * 59, "dance"]
    found = Captures([captured([(labels, waving(60))])], VOCABULARY, 7).sequences(40, 10)
    unknown = found.real & (found.action == -1)
    assert unknown.any()
    known = found.states_known[unknown]
    seen = {
        (part, label)
        for row, part in enumerate(VOCABULARY.parts)
        for column, label in enumerate(VOCABULARY.state_labels)
        if known[:, row, column].any() and label in VOCABULARY.states_of[part]
    }
    for pair in (("left_arm", "bend"), ("right_arm", "raise"), ("left_hand", "raise"), ("hip", "turn")):
        assert pair in seen and known[:, VOCABULARY.part_index(pair[0]), VOCABULARY.state_index(pair[1])].all()
    for pair in (
        ("left_hand", "wave"),
        ("hip", "stand"),
        ("left_leg", "step"),
        ("right_foot", "jump"),
        ("hip", "none"),
    ):
        assert pair not in seen
    assert not found.relevance_known[unknown].any()


def test_actions_of_ones_own_are_targets_of_which_only_the_joints_are_known() -> None:
    vocabulary = Vocabulary(
        VOCABULARY.parts, VOCABULARY.states, VOCABULARY.states_of, ("salute", "walk"), VOCABULARY.words
    )
    found = Captures([captured([("salute", waving(60))])], vocabulary, 3).sequences(60, 10)
    last = found.action[np.arange(60), found.lengths - 1]
    assert set(last.tolist()) == {0, -1}  # without `other`, unreadable steps have no target
    assert (last == 0).mean() > 0.8 and not found.relevance_known.any()
    assert found.states_known[found.real].any() and not known_states(found, "left_hand", "wave")[0].size
