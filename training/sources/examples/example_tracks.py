"""Training sequences from example clips, varied strongly because a few clips show few people."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from stages.vocabulary import Vocabulary
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import Cut
from training.kinetics_tps.video_roles import Role
from training.sources.sampling import SPEED
from training.sources.tracks import Tracks
from training.sources.watched_videos import WatchedVideo
from training.synthetic.sequences.keypoint_noise import BIAS, JITTER

STRETCH = 0.1
"""Largest change of a person's width, which stands for other builds and views."""
LARGEST_NOISE = 1.5
"""Largest noise of a sequence, relative to a simulated detector's own."""


class ExampleTracks(Tracks):
    """`Tracks` whose sequences are also slower or faster, wider or narrower, and have noise like a detector's."""

    def __init__(
        self, videos: Sequence[WatchedVideo], vocabulary: Vocabulary, seed: int, *, role: Role = "train"
    ) -> None:
        """Raises ValueError if there is nothing to draw."""
        super().__init__(videos, vocabulary, seed, role=role)

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
