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
from training.sequences import Source, Tensors
from training.sources.motion_clips import MIRRORED_KEYPOINTS
from training.sources.roles import unit_of
from training.sources.sampling import PeopleSampler
from training.sources.watched_videos import WatchedVideo

_FULL_LENGTH = 0.6
"""Share of sequences with the full number of steps; the others have any number, as when a person has just appeared."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One video with an action: as it is and mirrored, the steps of the action, and the first step of their track."""

    clip: Clip
    mirrored: Clip
    ends: NDArray[np.int64]
    begins: NDArray[np.int64]


class Tracks(Source):
    """A source of sequences of watched videos of one role.

    Sampling: as `PeopleSampler` draws a video, then a last step of the action in it.
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
        shown = _by_action([video for video in videos if video.role == role], vocabulary)
        self._sampler = PeopleSampler(shown, vocabulary, shares)
        if not self._sampler.actions:
            names = ", ".join(sorted({video.video.source for video in videos})) or "none"
            raise ValueError(f"no {role} video has a labelled step (sources: {names}); give other sources or shares")

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps that each end with a known action, on the CPU."""
        return sequences([self.draw(window) for _ in range(count)], window)

    def draw(self, window: int) -> Cut:
        """Return a sequence of 1 to `window` steps after its lead."""
        _, shown = self._sampler.draw(self.rng)
        return cut_before(shown, window, self.rng)


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
    keypoints = seen.keypoints[:, MIRRORED_KEYPOINTS] if seen.has_keypoints else seen.keypoints
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


def _by_action(videos: Sequence[WatchedVideo], vocabulary: Vocabulary) -> dict[str, dict[str, dict[str, list[Shown]]]]:
    """Return what the videos show by action of the vocabulary, source and person."""
    found: dict[str, dict[str, dict[str, list[Shown]]]] = {name: {} for name in vocabulary.actions}
    for video in videos:
        clip = dataclasses.replace(video.clip(vocabulary), features=None)
        for action, shown in shown_steps(clip, clip.labels.action, vocabulary).items():
            people = found[action].setdefault(video.video.source, {})
            people.setdefault(unit_of(video.video), []).append(shown)
    return found
