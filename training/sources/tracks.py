"""Training sequences from labelled videos, as our own detector and tracker see them.

Nothing is simulated: the detector's errors are real. A sequence may be mirrored and have dropped steps. The size and
place of a person in the picture do not change the features (`stages.keypoint_features.geometry`), so they stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.keypoint_features.skeleton import MIRRORED
from stages.keypoint_features.step_window import HISTORY_STEPS
from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import Cut, sequences, walk_back
from training.kinetics_tps.names import swapped_sides
from training.kinetics_tps.video_roles import Role
from training.sequences.source import SeededSource
from training.sequences.tensors import Tensors
from training.sources.roles import unit_of
from training.sources.sampling import action_shares
from training.sources.watched_videos import WatchedVideo

MIRRORED_KEYPOINTS = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""The keypoint on the other side of the body."""
_FULL_LENGTH = 0.6
"""Share of sequences with the full number of steps; the others have any number, as when a person has just appeared."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One video with an action: as it is and mirrored, the steps of the action, and the first step of their track."""

    clip: Clip
    mirrored: Clip
    ends: NDArray[np.int64]
    begins: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _OfSource:
    """One source's videos with an action, by person."""

    people: tuple[tuple[Shown, ...], ...]

    @property
    def share(self) -> float:
        return sum(map(len, self.people)) ** 0.5


class Tracks(SeededSource):
    """Implements `training.sequences.source.Source` for watched videos of one role.

    Sampling: action → source, by the square root of its videos of the action → person → video → last step. Actions are
    equally likely, unless `shares` gives the relative share of some; the share of the others is 1.
    """

    def __init__(
        self,
        videos: Sequence[WatchedVideo],
        vocabulary: Vocabulary,
        seed: int,
        *,
        role: Role = "train",
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Raises ValueError if there is nothing to draw, or for wrong shares."""
        super().__init__(seed)
        self._sources = _by_action([video for video in videos if video.role == role], vocabulary)
        self._actions, self._weights = action_shares(self._sources, vocabulary, shares)
        if not self._actions:
            names = ", ".join(sorted({video.video.source for video in videos})) or "none"
            raise ValueError(f"no {role} video has a labelled step (sources: {names}); give other sources or shares")

    def actions(self) -> tuple[str, ...]:
        """Return the actions that are drawn, in the vocabulary's order."""
        return self._actions

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps that each end with a known action, on the CPU."""
        return sequences([self.draw(window) for _ in range(count)], window)

    def draw(self, window: int) -> Cut:
        """Return a sequence of 1 to `window` steps after its lead."""
        rng = self.rng
        action = self._actions[int(rng.choice(len(self._actions), p=self._weights))]
        sources = self._sources[action]
        shares = np.array([source.share for source in sources])
        source = sources[int(rng.choice(len(sources), p=shares / shares.sum()))]
        person = source.people[int(rng.integers(len(source.people)))]
        return cut_before(person[int(rng.integers(len(person)))], window, rng)


def cut_before(shown: Shown, window: int, rng: np.random.Generator) -> Cut:
    """Return a sequence of 1 to `window` steps after its lead that ends with one of `shown.ends`, mirrored or not."""
    end = int(rng.integers(len(shown.ends)))
    first = int(shown.begins[end])
    length = window if rng.random() < _FULL_LENGTH else int(rng.integers(1, window + 1))
    steps = first + walk_back(rng, int(shown.ends[end]) - first, length + HISTORY_STEPS - 1)
    clip = shown.mirrored if rng.random() < 0.5 else shown.clip
    return Cut(clip, steps, max(0, len(steps) - length))


def shown_steps(clip: Clip, of_step: NDArray[np.int64], vocabulary: Vocabulary) -> dict[str, Shown]:
    """Return the steps of each action of a clip. `of_step` int64 [s]: the action of each step, −1 for none."""
    if not (of_step >= 0).any():
        return {}
    turned = mirrored(clip, vocabulary)
    begins = np.zeros(len(clip.rows), np.int64)
    for first, stop in clip.tracks():
        begins[first:stop] = first
    found: dict[str, Shown] = {}
    for index in np.unique(of_step[of_step >= 0]).tolist():
        ends = np.flatnonzero(of_step == index)
        found[vocabulary.actions[index]] = Shown(clip, turned, ends, begins[ends])
    return found


def mirrored(clip: Clip, vocabulary: Vocabulary) -> Clip:
    """Return the clip as it would be in a mirror, without RoI features."""
    seen, labels, width = clip.seen, clip.labels, np.float32(clip.size[0])
    parts, named = list(MIRRORED), swapped_sides(vocabulary.parts)
    keypoints = seen.keypoints[:, list(MIRRORED_KEYPOINTS)] if seen.has_keypoints else seen.keypoints
    keypoints = np.concatenate([width - keypoints[..., :1], keypoints[..., 1:]], -1)
    return dataclasses.replace(
        clip,
        seen=dataclasses.replace(
            seen,
            box=_mirrored_boxes(seen.box, width),
            part_boxes=_mirrored_boxes(seen.part_boxes[:, parts], width),
            part_scores=seen.part_scores[:, parts],
            present=seen.present[:, parts],
            keypoints=keypoints,
            object_box=_mirrored_boxes(seen.object_box, width),
        ),
        labels=dataclasses.replace(
            labels,
            states=labels.states[:, named],
            states_known=labels.states_known[:, named],
            relevance=labels.relevance[:, named],
            relevance_known=labels.relevance_known[:, named],
        ),
        features=None,
    )


def _mirrored_boxes(boxes: NDArray[np.float32], width: np.float32) -> NDArray[np.float32]:
    """Return boxes [..., 4] mirrored; zeros, which stand for no box, stay."""
    turned = boxes.copy()
    turned[..., [0, 2]] = width - boxes[..., [2, 0]]
    return np.where(boxes.any(-1, keepdims=True), turned, boxes)


def _by_action(videos: Sequence[WatchedVideo], vocabulary: Vocabulary) -> dict[str, list[_OfSource]]:
    """Return the sources of each action that a step is labelled with, in the vocabulary's order."""
    found: dict[str, dict[str, dict[str, list[Shown]]]] = {name: {} for name in vocabulary.actions}
    for video in videos:
        clip = dataclasses.replace(video.clip(vocabulary), features=None)
        for action, shown in shown_steps(clip, clip.labels.action, vocabulary).items():
            people = found[action].setdefault(video.video.source, {})
            people.setdefault(unit_of(video.video), []).append(shown)
    return {
        action: [_OfSource(tuple(map(tuple, people.values()))) for people in sources.values()]
        for action, sources in found.items()
        if sources
    }
