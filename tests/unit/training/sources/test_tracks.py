"""Sequences of watched people: what is drawn and how often, mirroring, and exact resumption."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from stages.keypoint_features.step_window import HISTORY_STEPS
from stages.vocabulary import packaged
from support.training.data_folders import SIZE, one_person, seen_people, watched_video
from training.annotated_videos.clips import Clip
from training.sequences import Source
from training.sources.tracks import Tracks, mirrored
from training.sources.watched_videos import WatchedVideo

WORDS = packaged("edge")
_PAIRED = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
NAMES = ["nose", *(f"{side}_{joint}" for joint in _PAIRED for side in ("left", "right"))]
"""COCO's keypoints, in order."""


def walk_and_run() -> list[WatchedVideo]:
    """Nine videos of walking in one source, one in another, and one of running."""
    many = [watched_video("many", f"{n}", (0, 100, "walk"), person="a" if n else "b") for n in range(9)]
    return [*many, watched_video("few", "x", (0, 100, "walk")), watched_video("few", "y", (50, 100, "run"))]


def drawn(source: Tracks, times: int = 3000) -> tuple[Counter[str], Counter[str]]:
    """Return how often an action is the last of a sequence, and how often a walk is of a clip."""
    actions, clips = Counter[str](), Counter[str]()
    for _ in range(times):
        cut = source.draw(5)
        action = WORDS.actions[cut.clip.labels.action[cut.steps[-1]]]
        actions[action] += 1
        clips[cut.clip.name] += action == "walk"
    return actions, clips


def test_actions_are_equally_likely_then_sources_by_the_root_of_their_size_then_people() -> None:
    actions, clips = drawn(Tracks(walk_and_run(), WORDS, 1))
    assert actions["walk"] == pytest.approx(1500, abs=120)  # 4 standard deviations: 110
    walks = actions["walk"]
    assert clips["few/x"] == pytest.approx(walks / 4, abs=70)  # sources 1 and √9
    assert clips["many/0"] == pytest.approx(walks * 3 / 8, abs=80)  # one of two people
    assert clips["many/1"] == pytest.approx(walks * 3 / 64, abs=35)


def test_a_sequence_is_of_one_track_in_order_and_ends_with_a_known_action() -> None:
    boxes = one_person()
    seen = seen_people({1: boxes[1], 2: dict.fromkeys(range(30, 90), (10, 10, 60, 100))})
    source = Tracks([watched_video("gym", "a", (40, 60, "walk"), seen=seen)], WORDS, 3)
    lengths: Counter[int] = Counter()
    spans: set[int] = set()
    for _ in range(400):
        cut = source.draw(6)
        assert (np.diff(cut.steps) > 0).all()
        assert set(seen.track[cut.clip.rows[cut.steps]].tolist()) == {1}
        assert 40 <= seen.frame[cut.clip.rows[cut.steps[-1]]] < 60
        assert cut.lead <= HISTORY_STEPS - 1 and 1 <= len(cut.answered) <= 6
        lengths[len(cut.answered)] += 1
        spans |= set(np.diff(cut.answered).tolist())
    assert set(lengths) == {1, 2, 3, 4, 5, 6} and lengths[6] > 200
    assert len(spans) > 2, "steps are dropped"


def test_a_batch_has_the_labels_of_all_its_steps_and_no_more() -> None:
    source: Source = Tracks([watched_video("gym", "a", (0, 50, "walk"), (50, 100, "run"))], WORDS, 3)
    batch = source.batch(64, 8)
    walk, run = WORDS.action_index("walk"), WORDS.action_index("run")
    assert batch.visual is None and not batch.states_known.any()
    assert set(batch.action[batch.real].tolist()) == {walk, run}
    assert (batch.action[~batch.real] == -1).all() and not batch.relevance_known[~batch.real].any()
    assert torch.equal(batch.relevance_known[batch.real].all(-1), torch.ones(int(batch.real.sum()), dtype=torch.bool))
    mixed = {tuple(row[real].unique().tolist()) for row, real in zip(batch.action, batch.real, strict=True)}
    assert mixed == {(walk,), (run,), tuple(sorted((walk, run)))}


def test_a_restored_source_draws_the_same_batches() -> None:
    source, other = Tracks(walk_and_run(), WORDS, 1), Tracks(walk_and_run(), WORDS, 2)
    source.batch(4, 6)
    state = source.state()
    first = source.batch(8, 6)
    other.restore(state)
    second = other.batch(8, 6)
    for name in ("parts", "context", "present", "dt", "action", "relevance", "real", "last"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def one_clip(**changes: Any) -> Clip:
    tracks = {1: {frame: (100.0 + frame, 40, 160 + frame, 220) for frame in range(60)}}
    return dataclasses.replace(
        watched_video("gym", "a", (0, 30, "walk"), seen=seen_people(tracks)).clip(WORDS), **changes
    )


def test_a_mirrored_clip_has_left_and_right_exchanged_everywhere() -> None:
    clip = one_clip()
    clip.labels.relevance[3, WORDS.part_index("left_hand")] = True
    clip.labels.states[4, WORDS.part_index("right_foot"), 2] = True
    turned = mirrored(clip, WORDS)

    def other(name: str) -> str:
        side, _, rest = name.partition("_")
        return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)

    for column, name in enumerate(NAMES):
        source = clip.seen.keypoints[:, NAMES.index(other(name))]
        assert np.allclose(turned.seen.keypoints[:, column, 0], SIZE[0] - source[:, 0])
        assert np.array_equal(turned.seen.keypoints[:, column, 1:], source[:, 1:])
    for column, name in enumerate(WORDS.parts):
        place = WORDS.part_index(other(name))
        for field in ("relevance", "relevance_known", "states", "states_known"):
            assert np.array_equal(getattr(turned.labels, field)[:, column], getattr(clip.labels, field)[:, place])
        for field in ("present", "part_scores"):
            assert np.array_equal(getattr(turned.seen, field)[:, column], getattr(clip.seen, field)[:, place])
        for row, box in enumerate(clip.seen.part_boxes[:, place].tolist()):
            expected = [SIZE[0] - box[2], box[1], SIZE[0] - box[0], box[3]] if any(box) else box
            assert np.allclose(turned.seen.part_boxes[row, column], expected)
    assert np.allclose(turned.seen.box[:, [2, 0]], SIZE[0] - clip.seen.box[:, [0, 2]])
    assert (turned.seen.object_box == 0).all()
    assert turned.labels.relevance[3, WORDS.part_index("right_hand")]
