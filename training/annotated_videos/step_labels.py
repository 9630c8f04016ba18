"""Targets for the steps of tracked people: known people are matched to tracks by their boxes.

In each known frame, tracks and known people are assigned one-to-one with the greatest sum of IoU. Between two such
frames a person's action is known if the track was the same person in both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stages.vocabulary import State, Vocabulary
from training.annotated_videos.known_people import LONGEST_GAP, KnownFrames, KnownPerson, box_iou
from training.annotated_videos.sightings import Sightings

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
