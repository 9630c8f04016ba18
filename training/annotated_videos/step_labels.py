"""The known people in a training video's frames, and targets for the steps of tracked people, matched by their boxes.

Annotations have some frames, one verb per part and no identities; truth files of generated videos have every frame, all
states of a part, and identities (`training.synthetic.videos.truth`). In each known frame, tracks and known people are
assigned one-to-one with the greatest sum of IoU. Between two such frames a person's action is known if the track was
the same person in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stages.vocabulary import PARTS, STILL, State, Vocabulary
from training.annotated_videos.sightings import Sightings
from training.benchmark.measures import inclusive_iou
from training.kinetics_tps import Box, Lists, Seen, Video
from training.kinetics_tps.seen_labels import OUTSIDE
from training.synthetic.videos.truth import Truth, TruthError, read_truth, truth_file

LINKED_IOU = 0.2
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
    sum of IoU. Two boxes belong to one person only if their IoU is at least `LINKED_IOU` and their frames are at most
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
        overlap[overlap < LINKED_IOU] = 0.0
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


LEAST_IOU = 0.4
"""For a detected and an annotated box of one person. Detected boxes exceed the outermost joints by 5 to 8 % of the
person's height while annotated ones are tight, so that the two overlap by 0.6 to 0.9."""
NOBODY, UNKNOWN_FRAME = -1, -2
"""In place of an identity: none of the frame's known people; a frame without known people."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Targets of the s steps of a video (`Sightings.step`), in their order, by the rows and columns of a vocabulary.

    `action` int64 [s], −1 where there is none; `states` bool [s, parts, states] with `states_known` bool [s, parts];
    `relevance` bool [s, parts] with `relevance_known` bool [s, parts]. `excluded` int64 [s]: an action that a step does
    not show, −1 for none; None if no step has one.
    """

    action: NDArray[np.int64]
    states: NDArray[np.bool_]
    states_known: NDArray[np.bool_]
    relevance: NDArray[np.bool_]
    relevance_known: NDArray[np.bool_]
    excluded: NDArray[np.int64] | None = None


@dataclass(slots=True)
class Unknown:
    """Labels outside the vocabulary, with counts; their targets are masked."""

    actions: Counter[str] = field(default_factory=Counter[str])
    states: Counter[str] = field(default_factory=Counter[str])

    def __bool__(self) -> bool:
        return bool(self.actions or self.states)


def label_steps(seen: Sightings, known: KnownFrames, vocabulary: Vocabulary, unknown: Unknown) -> Labels:
    """Return the targets of a video's steps. Labels outside the vocabulary are counted in `unknown`."""
    count, parts, states = len(seen.keypoints), len(vocabulary.parts), len(vocabulary.states)
    labels = Labels(
        action=np.full(count, -1, np.int64),
        states=np.zeros((count, parts, states), bool),
        states_known=np.zeros((count, parts), bool),
        relevance=np.zeros((count, parts), bool),
        relevance_known=np.zeros((count, parts), bool),
    )
    match, people = _match(seen, known)
    # NOBODY and UNKNOWN_FRAME index the last two entries.
    action = np.array([*(_action(person, vocabulary, unknown) for person in people), -1, -1], np.int64)
    identity = np.array([*(person.identity for person in people), UNKNOWN_FRAME, NOBODY], np.int64)
    number = np.cumsum(seen.step) - 1
    for row in np.flatnonzero(seen.step & (match >= 0)):
        _set_targets(labels, int(number[row]), people[match[row]], vocabulary, unknown)
    of_row, identities = action[match], identity[match]
    for track in seen.tracks():
        of_row[track] = _between(seen.frame[track], identities[track], of_row[track])
    labels.action[:] = of_row[seen.step]
    return labels


def _match(seen: Sightings, known: KnownFrames) -> tuple[NDArray[np.int64], list[KnownPerson]]:
    """Return for each sighting the index of its known person, `NOBODY` or `UNKNOWN_FRAME`; and all known people."""
    match = np.full(len(seen), UNKNOWN_FRAME, np.int64)
    people: list[KnownPerson] = []
    for frame, rows in seen.frames():
        if frame not in known:
            continue
        here, first = known[frame], len(people)
        people += here
        match[rows] = NOBODY
        boxes = np.array([person.box for person in here], np.float64).reshape(-1, 4)
        overlap = box_iou(seen.box[rows].astype(np.float64), boxes)
        overlap[overlap < LEAST_IOU] = 0.0
        matched_rows, matched_people = linear_sum_assignment(overlap, maximize=True)
        same = overlap[matched_rows, matched_people] > 0
        match[rows[matched_rows[same]]] = first + matched_people[same]
    return match, people


def _between(frames: NDArray[np.int32], identity: NDArray[np.int64], action: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one track's actions, including those in unknown frames.

    Between two known frames that have the same person with the same action, it is that action. Before the first and
    after the last known frame, it is that frame's action for up to `LONGEST_GAP` frames.
    """
    known = np.flatnonzero(identity != UNKNOWN_FRAME)
    if len(known) == 0 or len(known) == len(identity):
        return action
    rows = np.arange(len(identity))
    place = np.searchsorted(known, rows, side="right")
    before, after = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
    first, last = place == 0, place == len(known)
    near = np.where(first, frames[after] - frames, frames - frames[before]) <= LONGEST_GAP
    same = (identity[before] == identity[after]) & (action[before] == action[after])
    sure = np.where(first | last, near, same)
    return np.where(identity != UNKNOWN_FRAME, action, np.where(sure, action[np.where(first, after, before)], -1))


def _action(person: KnownPerson, vocabulary: Vocabulary, unknown: Unknown) -> int:
    if person.action is None:
        return -1
    if person.action not in vocabulary.actions:
        unknown.actions[person.action] += 1
        return -1
    return vocabulary.action_index(person.action)


def _set_targets(labels: Labels, step: int, person: KnownPerson, vocabulary: Vocabulary, unknown: Unknown) -> None:
    for row, part in enumerate(vocabulary.parts):
        if part in person.relevance:
            labels.relevance_known[step, row] = True
            labels.relevance[step, row] = person.relevance[part]
        if part not in person.states:
            continue
        wanted = [State.parse(label).label for label in person.states[part]]
        lacking = [label for label in wanted if label not in vocabulary.states_of[part]]
        unknown.states.update(f"{part} {label}" for label in lacking)
        # If only some of the states are outside the vocabulary, the other states are still known.
        labels.states_known[step, row] = len(lacking) < len(wanted) or not wanted
        for label in wanted:
            if label not in lacking:
                labels.states[step, row, vocabulary.state_index(label)] = True
