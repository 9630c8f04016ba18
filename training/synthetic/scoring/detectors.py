"""Detectors for scoring: one that caches a video's detections, and one that returns the truth.

A detector receives only pictures, so `expect` announces their frames before each call. Each keeps one video at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta
from stages.detection.keypoint_batches import DETECTION_WIDTH, KeypointNetwork
from training.synthetic.videos.truth import TrueFrame, TruePerson, Truth

SEEN_SCORE, HIDDEN_SCORE, OUTSIDE_SCORE = 0.8, 0.25, 0.05
"""Scores of true joints. MoveNet guesses hidden joints: hidden wrists and ankles of generated people have a median
score of 0.25, hidden hips more; outside the picture it detects nothing."""
PERSON_SCORE = 0.8


class _Packed(NamedTuple):
    packed: Tensor


class FrameDetector(KeypointNetwork, Protocol):
    """A detector to which the next frames are announced, and which keeps its detections by frame."""

    def expect(self, metas: Sequence[FrameMeta]) -> None:
        """Announce that the next pictures are these frames of one video, in this order."""
        ...

    def found(self, frame: int) -> NDArray[np.float32]:
        """Return the detections float32 [K, 56], in input pixels, of a frame that was processed."""
        ...


class CachingDetector:
    """A cache around a detector that processes each frame of a video once, for any number of models and passes.

    `keep_maps`: also keep the feature maps (about a megabyte per frame), for models that read them.
    """

    def __init__(self, detector: KeypointNetwork, max_people: int, *, keep_maps: bool) -> None:
        self._detector = detector
        self._max_people = max_people
        self._keep_maps = keep_maps
        self._video: str | None = None
        self._cache: dict[int, tuple[dict[int, Tensor], Tensor]] = {}
        self._expected: list[int] = []

    def expect(self, metas: Sequence[FrameMeta]) -> None:
        """Announce the next frames; a new video clears the cache."""
        if metas[0].camera != self._video:
            self._video = metas[0].camera
            self._cache.clear()
        self._expected = [meta.frame for meta in metas]

    def found(self, frame: int) -> NDArray[np.float32]:
        """Return the detections float32 [K, 56] in input pixels."""
        return self._cache[frame][1].cpu().numpy()

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], list[Tensor]]:
        """Return maps by stride ({} unless kept) and each picture's detections for pictures uint8 [B, H, W, 3]."""
        for picture, frame in zip(pictures, self._expected, strict=True):
            if frame not in self._cache:
                maps, heads = self._detector(picture[None])
                packed = self._detector.decode(heads, self._max_people).packed[0]
                self._cache[frame] = (maps if self._keep_maps else {}, packed)
        known = [self._cache[frame] for frame in self._expected]
        maps = {stride: torch.cat([maps[stride] for maps, _ in known]) for stride in known[0][0]}
        return maps, [packed for _, packed in known]

    def decode(self, heads: Any, max_people: int) -> _Packed:
        """Return the detections; `max_people` was set before."""
        return _Packed(torch.stack(heads))


class TrueKeypoints:
    """A detector that returns exactly the true people and joints, so that remaining errors are not the detector's.

    `noise`: standard deviation of each joint's place, in percent of the longer side of the person's box; a frame always
    has the same noise. `maps` gives feature maps, for models that read them.
    """

    def __init__(
        self,
        truth_of: Callable[[str], Truth],
        max_people: int,
        *,
        noise: float = 0.0,
        maps: FrameDetector | None = None,
    ) -> None:
        """`truth_of` returns the truth of a video by its camera's name."""
        self._truth_of = truth_of
        self._max_people = max_people
        self._noise = noise / 100
        self._maps = maps
        self._video: str | None = None
        self._truth = Truth(())
        self._rows: dict[int, NDArray[np.float32]] = {}
        self._expected: list[int] = []

    def expect(self, metas: Sequence[FrameMeta]) -> None:
        """Announce the next frames; frames with negative numbers show the same as the first one."""
        if metas[0].camera != self._video:
            self._video = metas[0].camera
            self._truth = self._truth_of(self._video)
            self._rows.clear()
        self._expected = [meta.frame for meta in metas]
        for meta in metas:
            if meta.frame not in self._rows:
                self._rows[meta.frame] = self._detections(meta)
        if self._maps is not None:
            self._maps.expect(metas)

    def found(self, frame: int) -> NDArray[np.float32]:
        """Return the detections float32 [K, 56] in input pixels."""
        return self._rows[frame]

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """Return maps by stride and the true people [B, K, 56] for pictures uint8 [B, H, W, 3]."""
        rows = torch.from_numpy(np.stack([self._rows[frame] for frame in self._expected])).to(pictures.device)
        return ({} if self._maps is None else self._maps(pictures)[0]), rows

    def decode(self, heads: Any, max_people: int) -> _Packed:
        """Return the detections; `max_people` was set before."""
        return _Packed(heads)

    def _detections(self, meta: FrameMeta) -> NDArray[np.float32]:
        number = max(meta.frame, 0)
        frame = self._truth.frames[number] if number < len(self._truth.frames) else TrueFrame(())
        random = np.random.default_rng([zlib.crc32(meta.camera.encode()), number])
        scale = (meta.format.content[0] / meta.size[0], meta.format.content[1] / meta.size[1])
        rows = np.zeros((self._max_people, DETECTION_WIDTH), np.float32)
        for row, person in zip(rows, frame.people):
            x1, y1, x2, y2 = person.box
            spread = self._noise * max(x2 - x1, y2 - y1)
            joints = true_joints(person, meta.size)
            joints[:, :2] += random.normal(0, 1, (len(joints), 2)) * spread
            row[:4] = np.array(person.box) * np.tile(scale, 2)
            row[4] = PERSON_SCORE
            row[5:] = (joints * (*scale, 1)).ravel()
        return rows


def true_joints(person: TruePerson, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the joints [17, 3] in the video's pixels, with the scores of true joints."""
    joints = np.array(person.keypoints, np.float64)
    inside = ((joints[:, :2] >= 0) & (joints[:, :2] < size)).all(-1)
    joints[:, 2] = np.where(joints[:, 2] > 0, SEEN_SCORE, np.where(inside, HIDDEN_SCORE, OUTSIDE_SCORE))
    return joints
