"""Training sequences from clips of examples and of verdicts, varied strongly because a few clips show few people."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import Cut, sequences
from training.sequences import Source, Tensors
from training.sources.sampling import SPEED
from training.sources.tracks import Shown, Tracks, cut_before, shown_steps
from training.sources.verdicts.verdict_clips import JudgedClip
from training.synthetic.sequences.keypoint_noise import BIAS, JITTER

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
