"""Training sequences from labelled videos, examples and verdicts, as our own detector and tracker see them.

Nothing is simulated in labelled videos: the detector's errors are real. A sequence may be mirrored and have dropped
steps. The size and place of a person in the picture do not change the features (`stages.keypoint_features.geometry`),
so they stay. Clips of examples and of verdicts are varied strongly, because a few clips show few people.
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
from training.sources.sampling import SPEED, PeopleSampler
from training.sources.verdicts.verdict_clips import JudgedClip
from training.sources.watched_videos import WatchedVideo
from training.synthetic.sequences.keypoint_noise import BIAS, JITTER

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


STRETCH = 0.1
"""Largest change of a person's width, which stands for other builds and views."""
LARGEST_NOISE = 1.5
"""Largest noise of a sequence, relative to a simulated detector's own."""
Kind = tuple[str, bool]
"""An action, and whether it is the right one; otherwise it is the excluded one."""


class ExampleTracks(Tracks):
    """`Tracks` whose sequences are also slower or faster, wider or narrower, and have noise like a detector's."""

    def draw(self, window: int) -> Cut:
        """Return a sequence of 1 to `window` steps after its lead."""
        cut = super().draw(window)
        return cut._replace(clip=varied(cut.clip, self.rng))


def varied(clip: Clip, rng: np.random.Generator) -> Clip:
    """Return the clip at a speed 15 % slower to faster, 10 % narrower to wider, and with noise on the keypoints.

    The noise has the detector's slow displacements, here constant, and its jitter, both in % of the height of the box.
    """
    seen = clip.seen
    scale = np.array([rng.uniform(1 - STRETCH, 1 + STRETCH), 1.0], np.float32)
    speed = rng.uniform(1 - SPEED, 1 + SPEED)
    level = rng.uniform(0, LARGEST_NOISE) / 100
    heights = (seen.box[:, 3] - seen.box[:, 1])[clip.rows][:, None, None]
    shape = seen.keypoints[..., :2].shape
    constant = rng.standard_normal((1, *shape[1:])) * BIAS[None, :, None]
    noise = level * heights * (constant + rng.standard_normal(shape) * JITTER[None, :, None])
    points = seen.keypoints[..., :2] * scale + noise.astype(np.float32)
    changed = dataclasses.replace(
        seen,
        keypoints=np.concatenate([points, seen.keypoints[..., 2:]], -1),
        box=seen.box * np.concatenate([scale, scale]),
        time_us=np.round(seen.time_us / speed).astype(np.int64),
    )
    return dataclasses.replace(clip, seen=changed)


class VerdictTracks(Source):
    """A source of sequences of clips that are not held out.

    Sampling: an action that is right or one that is excluded → clip → last step. All of the first are equally likely,
    and so are the clips. Sequences are varied as those of examples are.
    """

    def __init__(self, clips: Sequence[JudgedClip], vocabulary: Vocabulary, seed: int) -> None:
        """Raises ValueError if there is nothing to draw."""
        super().__init__(seed)
        self._shown = _by_kind([clip for clip in clips if not clip.held_out], vocabulary)
        if not self._shown:
            raise ValueError("no verdict to learn from is on an action of the vocabulary")

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""
        return sequences([self.draw(window) for _ in range(count)], window)

    def draw(self, window: int) -> Cut:
        """Return a sequence of 1 to `window` steps after its lead."""
        kinds = list(self._shown)
        clips = self._shown[kinds[int(self.rng.integers(len(kinds)))]]
        cut = cut_before(clips[int(self.rng.integers(len(clips)))], window, self.rng)
        return cut._replace(clip=varied(cut.clip, self.rng))


def _by_kind(clips: Sequence[JudgedClip], vocabulary: Vocabulary) -> dict[Kind, list[Shown]]:
    found: dict[Kind, list[Shown]] = {(name, right): [] for right in (True, False) for name in vocabulary.actions}
    for one in clips:
        clip = dataclasses.replace(one.watched.clip(vocabulary), features=None)
        labels = clip.labels
        excluded = np.full_like(labels.action, -1) if labels.excluded is None else labels.excluded
        for right, of_step in ((True, labels.action), (False, excluded)):
            for action, shown in shown_steps(clip, of_step, vocabulary).items():
                found[action, right].append(shown)
    return {kind: shown for kind, shown in found.items() if shown}
