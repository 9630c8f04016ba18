"""Recorded motion that is scored: the same sequences each time, a few of each person and action, judged by step."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.profiles import load_checkpoint
from support.training.captured_people import captured, standing, walking, waving
from support.training.data_folders import put_clips
from support.training.planar_people import person, pose_clips
from training.scoring.film_sets import ScoringError
from training.scoring.films import SCORED_ACTIONS
from training.scoring.sequence_sets import (
    CHOOSING,
    JUDGING,
    FrozenSequences,
    drawn_sequences,
    listed_clips,
    score_sequences,
    sequence_set,
)
from training.sequences import to_tensors, unseen_regions
from training.sources.motion_clips import MOTION, POSES, MotionClips

JHMDB = next(one for one in JUDGING if one.name == "jhmdb")
FROZEN = FrozenSequences(
    version=1,
    seed=3,
    window=20,
    least_steps=5,
    per_unit_and_action=4,
    captures=("kinect",),
    poses=("jhmdb",),
    macro=("wave", "kick"),
)


def films() -> MotionClips:
    """Return four test clips and a training clip of the source that is divided by text."""
    keypoints = [person(40), person(40, hands_up=True), person(40, turn=90), person(40), person(40, hands_up=True)]
    text = ["split1/test a", "split1/test b", "split1/test c", "split1/test d", "split1/train e"]
    return pose_clips(keypoints, ["stand", "wave", "stand", "", "wave"], source="jhmdb", text=text)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    put_clips(folder, POSES, films())
    return folder


def test_every_action_of_a_unit_gets_as_many_sequences_by_its_clips_in_turn() -> None:
    clips = replace(films(), person=["ann", "ann", "ann", "ann", "bob"], source="kinect")
    usable = {"kinect": np.ones(len(clips.points), bool)}
    listed = list(listed_clips([clips], usable, ("stand", "wave", "jump"), None, 4, np.random.default_rng(0)))
    assert Counter((unit, drawn.action) for unit, drawn in listed) == {
        ("kinect ann", "stand"): 4,
        ("kinect ann", "wave"): 4,
        ("kinect bob", "wave"): 4,
    }
    assert Counter(drawn.clip for _, drawn in listed if drawn.action == "stand") == {0: 2, 2: 2}


def test_sequences_end_only_in_later_usable_frames_of_their_action() -> None:
    clips = films()
    usable = np.zeros(len(clips.points), bool)
    usable[[3, 7, 60, 130]] = True  # of clips 0, 0, 1, and of 3, which has no action
    listed = list(listed_clips([clips], {"jhmdb": usable}, ("stand", "wave"), "test", 3, np.random.default_rng(0)))
    assert {(drawn.action, drawn.clip, drawn.last) for _, drawn in listed} == {("stand", 0, 7), ("wave", 1, 20)}


def test_steps_and_answers_are_those_of_each_sequence_alone_through_the_network(data: Path) -> None:
    checkpoint = load_checkpoint("edge")
    network, names = checkpoint.network, checkpoint.vocabulary.actions
    expected: list[tuple[str, str, float]] = []
    short = 0
    for listed, sequences in drawn_sequences(data, JHMDB, FROZEN):
        target = to_tensors(sequences)
        for row, (_, drawn) in enumerate(listed):
            steps = int(sequences.lengths[row])
            one = slice(row, row + 1)
            with torch.no_grad():
                inputs = (tensor[one, :steps] for tensor in (target.parts, target.context, target.present, target.dt))
                logits = network(*inputs, unseen_regions(network, steps)).action_logits[0, -1]
            truth = sequences.action[row, steps - 1]
            assert truth < 0 or names[truth] in (drawn.action, "other")
            if steps < FROZEN.least_steps:
                short += 1
            elif truth >= 0 and names[truth] == drawn.action:
                expected.append((drawn.action, names[int(logits.argmax())], float(torch.softmax(logits, -1).max())))
    found = score_sequences(checkpoint, data, JHMDB, FROZEN)
    assert found.sequences == 3 * FROZEN.per_unit_and_action, "each clip is a unit here"
    assert [(one.truth, one.answer) for one in found.last.judged] == [one[:2] for one in expected]
    assert [one.score for one in found.last.judged] == pytest.approx([one[2] for one in expected], abs=1e-5)
    assert len(expected) >= found.sequences - short - 4 and len(found.every.judged) > 40
    assert {one.truth for one in found.every.judged} == {"stand", "wave"}


def test_figures_repeat_and_their_digest_tells_other_sequences(data: Path) -> None:
    checkpoint = load_checkpoint("edge")
    once, again = (score_sequences(checkpoint, data, JHMDB, FROZEN) for _ in range(2))
    assert once == again
    other = score_sequences(checkpoint, data, JHMDB, FrozenSequences(**{**_fields(), "seed": 4}))
    assert other.digest != once.digest
    content = once.as_json()
    assert content["last_step"]["macro"]["actions"] == ["wave", "kick"]
    over_all = content["last_step_over_all_actions"]["all_frames"]["mean"]
    shares = [one["share"] for one in content["last_step"]["actions"].values()]
    assert over_all == pytest.approx(sum(shares) / 2, abs=1e-4)


def test_captures_end_in_frames_that_show_a_body_and_each_sequence_is_of_its_own_clip(tmp_path: Path) -> None:
    gone = standing(40)
    gone[10:] = np.nan
    people = ["ann", "ann", "bob", "bob"]
    parts = [("stand", gone), ("wave", waving(60)), ("stand", standing(30)), ("walk", walking(60))]
    clips = captured(parts, source="kinect", people=people)
    put_clips(tmp_path, MOTION, clips)
    every = next(one for one in JUDGING if one.name == "captures-all")
    count = 0
    for listed, sequences in drawn_sequences(tmp_path, every, FROZEN):
        for row, (_, drawn) in enumerate(listed):
            count += 1
            assert drawn.action == parts[drawn.clip][0]
            assert drawn.last < 10 or drawn.clip > 0
            labels = {SCORED_ACTIONS[action] for action in sequences.action[row] if action >= 0}
            assert labels <= {drawn.action, "other"}
    assert count == 4 * FROZEN.per_unit_and_action
    assert score_sequences(load_checkpoint("edge"), tmp_path, every, FROZEN).sequences == count


def test_sets_are_those_that_the_data_folder_has_clips_for(data: Path, tmp_path: Path) -> None:
    names = [one.name for one in (*CHOOSING, *JUDGING) if sequence_set(data, one.name, FROZEN) is not None]
    assert names == ["jhmdb-validation", "jhmdb"]
    assert sequence_set(data, "urfd") is None
    selecting = sequence_set(data, "jhmdb-validation", FROZEN)
    assert selecting is not None
    put_clips(tmp_path, POSES, replace(films(), text=["split1/test"] * 5))
    with pytest.raises(ScoringError, match=f"{POSES}: no clip belongs to the set jhmdb-validation"):
        score_sequences(load_checkpoint("edge"), tmp_path, selecting, FROZEN)


def test_a_network_that_reads_no_keypoints_is_rejected(data: Path) -> None:
    with pytest.raises(ScoringError, match="has keypoints only"):
        score_sequences(load_checkpoint("kinetics-tps"), data, JHMDB, FROZEN)


def _fields() -> dict[str, object]:
    return {name: getattr(FROZEN, name) for name in FROZEN.__struct_fields__}
