"""Known people are linked, and matched to tracks, whose steps get their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.vocabulary import PARTS, STILL, packaged
from support.training.folder_examples import BOX, annotated
from support.training.kinetics_tps_examples import LISTS
from training.annotated_videos.sightings import Sightings
from training.annotated_videos.step_labels import (
    KnownFrames,
    KnownPerson,
    OwnLabels,
    Unknown,
    from_annotations,
    from_truth,
    label_steps,
    link_people,
)
from training.kinetics_tps.video_roles import roles_of
from training.synthetic.videos.truth import TrueFrame, TruePerson, Truth

Boxes = NDArray[np.float64]
SIZE = 40


def at(*corners: Sequence[float] | Boxes) -> Boxes:
    """Return boxes of one size at these corners."""
    return np.array([(x, y, x + SIZE - 1, y + SIZE - 1) for x, y in corners], np.float64).reshape(-1, 4)


def linked(indices: list[int], boxes: list[Boxes]) -> list[list[int]]:
    return [found.tolist() for found in link_people(indices, boxes)]


def test_people_keep_their_identity_when_the_order_of_a_frame_changes() -> None:
    boxes = [at((0, 0), (100, 0)), at((103, 2), (2, 1)), at((4, 2), (105, 3))]
    assert linked([1, 2, 5], boxes) == [[0, 1], [1, 0], [0, 1]]


def test_a_person_who_is_missing_briefly_keeps_their_identity() -> None:
    boxes = [at((0, 0), (100, 0)), at((100, 0)), at((100, 0)), at((100, 0), (3, 3))]
    assert linked([1, 11, 21, 31], boxes) == [[0, 1], [1], [1], [1, 0]]


def test_after_too_long_a_gap_a_person_gets_a_new_identity() -> None:
    assert linked([1, 31], [at((0, 0)), at((0, 0))]) == [[0], [0]]
    assert linked([1, 32], [at((0, 0)), at((0, 0))]) == [[0], [1]]


def test_the_assignment_is_best_for_all_people_together() -> None:
    # The box at 12 overlaps both people. Assigned in order, person 0 would take it, and person 1 would have none.
    assert linked([1, 2], [at((0, 0), (20, 0)), at((12, 0), (-16, 0))]) == [[0, 1], [1, 0]]


WORDS = packaged("edge")
LEFT, RIGHT = (10.0, 10.0, 30.0, 60.0), (60.0, 10.0, 80.0, 60.0)
ARM = WORDS.part_index("left_arm")


def sightings(*tracks: Mapping[int, tuple[float, float, float, float]]) -> Sightings:
    """Return tracks 1, 2, … given as frame → box, with a step at every sighting."""
    rows = [(at, frame, box) for at, track in enumerate(tracks, 1) for frame, box in sorted(track.items())]
    count = len(rows)
    return Sightings(
        track=np.array([row[0] for row in rows], np.int32),
        frame=np.array([row[1] for row in rows], np.int32),
        time_us=np.array([row[1] * 40_000 for row in rows], np.int64),
        box=np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        score=np.ones(count, np.float32),
        part_boxes=np.zeros((count, 10, 4), np.float32),
        part_scores=np.zeros((count, 10), np.float32),
        present=np.ones((count, 10), bool),
        step=np.ones(count, bool),
        keypoints=np.zeros((count, 17, 3), np.float32),
        object_box=np.zeros((count, 4), np.float32),
    )


def known(identity: int, box: tuple[float, float, float, float], action: str | None = "wave") -> KnownPerson:
    return KnownPerson(identity, box, action, {"left_arm": ("wave",)}, {"left_arm": True})


def actions(seen: Sightings, frames: KnownFrames) -> list[str | None]:
    found = label_steps(seen, frames, WORDS, Unknown()).action
    return [None if index < 0 else WORDS.actions[index] for index in found]


def test_people_are_matched_one_to_one_by_box_in_any_order() -> None:
    seen = sightings({0: RIGHT}, {0: LEFT}, {0: (200.0, 10.0, 220.0, 60.0)})
    frames = {0: [known(1, LEFT, "wave"), known(2, RIGHT, "walk"), known(3, (12.0, 10.0, 31.0, 60.0), "sit")]}
    assert actions(seen, frames) == ["walk", "wave", None]


def test_a_parts_verb_is_its_only_state_and_unannotated_parts_are_unknown(tmp_path: Path) -> None:
    video = annotated(tmp_path, "wave", "a", left_arm="wave", head="none", hip="others", right_hand="hum")
    unknown = Unknown()
    labels = label_steps(sightings({0: BOX, 2: BOX}), from_annotations(video), WORDS, unknown)
    states = {WORDS.state_labels[column] for column in np.flatnonzero(labels.states[0, ARM])}
    assert states == {"wave"} and labels.states_known[0, ARM], "all other states of the part are negatives"
    assert labels.states[0, WORDS.part_index("head"), WORDS.state_index(STILL)]
    with_states = {part for part, is_known in zip(PARTS, labels.states_known[0], strict=True) if is_known}
    assert with_states == {"left_arm", "head"}, "`others` and a label outside the vocabulary are unknown"
    relevance = {
        part: bool(labels.relevance[0, row]) for row, part in enumerate(PARTS) if labels.relevance_known[0, row]
    }
    assert relevance == {"left_arm": True, "head": False, "hip": True, "right_hand": True}
    assert unknown.states == {"right_hand hum": 1} and not unknown.actions
    assert not labels.states_known[1].any() and not labels.relevance_known[1].any(), "frame 3 has no annotation"


def test_a_step_between_annotated_frames_has_the_action_of_the_same_person_in_both() -> None:
    still = dict.fromkeys(range(0, 61, 5), LEFT)
    seen = sightings(still)
    assert actions(seen, {10: [known(1, LEFT)], 20: [known(1, LEFT)]}) == [
        *["wave"] * 5,  # up to frame 20, before the first annotation for 10 frames
        *["wave"] * 6,  # for 30 frames after the last
        *[None] * 2,
    ]
    other = {10: [known(1, LEFT)], 20: [known(2, LEFT, "wave")]}
    assert actions(seen, other)[2:5] == ["wave", None, "wave"], "the track changed to another person"
    gone = {10: [known(1, LEFT)], 20: [known(1, RIGHT)]}
    assert actions(seen, gone)[2:5] == ["wave", None, None], "the action of an unannotated person is unknown"


def test_truth_has_all_states_of_visible_parts_and_unknown_actions() -> None:
    keypoints = ((0.0, 0.0, 0),) * 17
    states = {"left_arm": ("raise", "wave"), "head": ("none",)}
    truth = Truth(
        (
            TrueFrame((TruePerson(7, 1.0, LEFT, "wave", keypoints, states, ("left_arm", "left_hand")),)),
            TrueFrame((TruePerson(7, 1.0, LEFT, None, keypoints, states, None),)),
        )
    )
    labels = label_steps(sightings({0: LEFT, 1: LEFT}), from_truth(truth), WORDS, Unknown())
    assert labels.action.tolist() == [WORDS.action_index("wave"), -1]
    assert {WORDS.state_labels[c] for c in np.flatnonzero(labels.states[0, ARM])} == {"raise", "wave"}
    assert labels.states_known[0].sum() == 2
    assert labels.relevance_known[0].all() and labels.relevance[0].sum() == 2 and not labels.relevance_known[1].any()


def test_an_action_outside_the_vocabulary_is_counted_and_masked() -> None:
    unknown = Unknown()
    labels = label_steps(sightings({0: LEFT}), {0: [known(1, LEFT, "yodel")]}, WORDS, unknown)
    assert labels.action.tolist() == [-1] and unknown.actions == {"yodel": 1} and unknown


def test_a_folders_own_vocabulary_has_the_ten_parts_and_its_peoples_states(tmp_path: Path) -> None:
    own = OwnLabels()
    own.add("a", "wave", from_annotations(annotated(tmp_path, "wave", "a", left_hand="hold", hip="others")))
    own.add("b", "stand", {0: [known(1, LEFT, "juggle")]})
    words = own.vocabulary(LISTS)
    assert words.parts == PARTS and words.actions == ("juggle", "stand", "wave")
    assert words.states_of["left_hand"] == (STILL, "hold") and words.states_of["hip"] == (STILL,)
    assert set(words.states_of["left_arm"]) == {STILL, "wave"}


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.sampled_from("abc"), min_size=1), st.floats(0, 0.9))
def test_every_class_keeps_a_training_video_and_roles_depend_only_on_names(
    videos: dict[str, str], share: float
) -> None:
    roles = roles_of(videos, share)
    assert roles.keys() == videos.keys()
    assert roles == roles_of(dict(reversed(videos.items())), share)
    for action in set(videos.values()):
        mine = [roles[name] for name, of in videos.items() if of == action]
        assert "train" in mine
        assert len(mine) - mine.count("train") == min(round(share * len(mine)), len(mine) - 1)
    held = [role for role in roles.values() if role != "train"]
    assert 0 <= held.count("validation") - held.count("test") <= 1


def test_only_the_better_of_two_tracks_on_one_person_is_labelled() -> None:
    seen = sightings({0: LEFT}, {0: (11.0, 12.0, 31.0, 62.0)})
    assert actions(seen, {0: [known(1, LEFT)]}) == ["wave", None]
