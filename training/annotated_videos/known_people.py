"""The known people in a training video's frames, from annotations or from a truth file, and a folder's own vocabulary.

Annotations have some frames, one verb per part and no identities; truth files of generated videos have every frame, all
states of a part, and identities (`training.synthetic.videos.truth`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stages.vocabulary import PARTS, STILL, Vocabulary
from training.benchmark.box_overlap import inclusive_iou
from training.kinetics_tps import Box, Lists, Seen, Video
from training.kinetics_tps.seen_labels import OUTSIDE
from training.synthetic.videos.truth import Truth, TruthError, read_truth, truth_file

LEAST_IOU = 0.2
"""Low, because frames are skipped and people are fast: a vault moves half a body's width in five frames."""
LONGEST_GAP = 30
"""Frames of the video: about a second."""


class KnownPerson(NamedTuple):
    """One person in one frame. Parts that are not in `states` or `relevance` are unknown there."""

    identity: int
    """The same in all frames of the video."""
    box: Box
    action: str | None
    """None if unknown, as in the transition between two actions."""
    states: Mapping[str, tuple[str, ...]]
    """Part → all its states."""
    relevance: Mapping[str, bool]
    """Part → whether it defines the action."""


KnownFrames = dict[int, list[KnownPerson]]
"""Frame, from 0 → all people in it. Other frames are unknown."""


def read_known(root: Path, video: Video) -> tuple[Path | None, KnownFrames]:
    """Return the truth file of a video in the data set `root`, None without one, and the known people.

    Raises `TruthError` for a truth file that is invalid or does not fit the video.
    """
    path = truth_file(root, video.name)
    if not path.exists():
        return None, from_annotations(video)
    truth = read_truth(path)
    if len(truth.frames) != video.facts.frames:
        raise TruthError(f"{path}: has {len(truth.frames)} frames, and the video has {video.facts.frames}")
    return path, from_truth(truth)


def from_annotations(video: Video) -> KnownFrames:
    """Return the known people of annotations.

    People are linked by IoU, and each does the video's class. A part's verb is its only state; for a part with a state
    outside the vocabulary (`others`) only the relevance is known.
    """
    frames = sorted(video.frames, key=lambda frame: frame.index)
    boxes = [np.array([person.box for person in frame.people], np.float64).reshape(-1, 4) for frame in frames]
    identities = link_people([frame.index for frame in frames], boxes)
    return {
        frame.index - 1: [
            KnownPerson(
                int(identity),
                person.box,
                video.action,
                {name: (part.verb,) for name, part in person.parts.items() if part.verb != OUTSIDE},
                {name: part.verb != STILL for name, part in person.parts.items()},
            )
            for identity, person in zip(frame_identities, frame.people, strict=True)
        ]
        for frame_identities, frame in zip(identities, frames, strict=True)
    }


def from_truth(truth: Truth) -> KnownFrames:
    """Return the known people of a truth file: all frames, and all states of every visible part."""
    return {
        index: [
            KnownPerson(
                person.number,
                person.box,
                person.action,
                person.states,
                {} if person.relevant is None else {part: part in person.relevant for part in PARTS},
            )
            for person in frame.people
        ]
        for index, frame in enumerate(truth.frames)
    }


def link_people(indices: Sequence[int], boxes: Sequence[NDArray[np.floating]]) -> list[NDArray[np.int64]]:
    """Give each person of each frame an identity, from 0 in the order of appearance.

    `indices`: the F frames' numbers in the video, ascending. `boxes`: for each frame [people, 4], x1 y1 x2 y2. Returns
    for each frame [people] distinct identities. From frame to frame people are assigned one-to-one with the greatest
    sum of IoU. Two boxes belong to one person only if their IoU is at least `LEAST_IOU` and their frames are at most
    `LONGEST_GAP` apart.
    """
    linked: list[NDArray[np.int64]] = []
    last_box = np.zeros((0, 4))
    last_index, identity = np.zeros(0, np.int64), np.zeros(0, np.int64)
    people = 0
    for index, given in zip(indices, boxes):
        here = np.asarray(given, np.float64).reshape(-1, 4)
        known = index - last_index <= LONGEST_GAP
        last_box, last_index, identity = last_box[known], last_index[known], identity[known]
        overlap = box_iou(last_box, here)
        overlap[overlap < LEAST_IOU] = 0.0
        before, now = linear_sum_assignment(overlap, maximize=True)
        same = overlap[before, now] > 0
        before, now = before[same], now[same]
        assigned = np.full(len(here), -1, np.int64)
        assigned[now] = identity[before]
        new = np.flatnonzero(assigned < 0)
        assigned[new] = people + np.arange(len(new))
        people += len(new)
        missing = np.setdiff1d(np.arange(len(identity)), before)
        last_box = np.concatenate([last_box[missing], here])
        last_index = np.concatenate([last_index[missing], np.full(len(here), index)])
        identity = np.concatenate([identity[missing], assigned])
        linked.append(assigned)
    return linked


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.floating]:
    """Return the IoU [N, M] of boxes [N, 4] and [M, 4] that include their last row and column, as the data set's."""
    return inclusive_iou(a[:, None], b[None]).clip(0)


class OwnLabels:
    """Counts of what the people in a folder do.

    Its vocabulary has the ten parts that the detector's keypoints give, whatever the list of parts has, and only
    actions that occur, because an output without examples learns nothing.
    """

    def __init__(self) -> None:
        self._of_video: dict[str, Seen] = {}

    def add(self, video: str, action: str, known: KnownFrames) -> None:
        """Count one video: its class, and what each person does."""
        seen = self._of_video[video] = Seen()
        seen.actions[action] += 1
        for person in (person for frame in known.values() for person in frame):
            if person.action is not None:
                seen.actions[person.action] += 1
            for part, labels in person.states.items():
                seen.states.update((part, label) for label in labels)

    def leave_out(self, video: str) -> None:
        """Remove a video from the counts."""
        self._of_video.pop(video, None)

    def vocabulary(self, lists: Lists) -> Vocabulary:
        """Return the vocabulary: actions sorted, states in the list's order. Raises `DatasetError` without videos."""
        every = Seen()
        for seen in self._of_video.values():
            every.actions.update(seen.actions)
            every.states.update(seen.states)
        return every.vocabulary(Lists(PARTS, lists.verbs, lists.objects))
