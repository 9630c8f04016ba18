"""Detectors for scoring: one caches detections, one returns the truth."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from ring_buffers.frames import FrameMeta, SlotFormat
from support.training.scored_examples import PLACES, true_person
from training.synthetic.scoring.detectors import (
    HIDDEN_SCORE,
    OUTSIDE_SCORE,
    SEEN_SCORE,
    CachingDetector,
    TrueKeypoints,
    true_joints,
)
from training.synthetic.videos.truth import TrueFrame, Truth

FORMAT = SlotFormat("rgb24", (320, 256), (320, 240))
"""The slot of a 160 × 120 picture, which is twice as large for the detector."""


def metas(*frames: int, video: str = "a.mp4") -> list[FrameMeta]:
    return [FrameMeta(video, 1, frame, 0, 0, "media", 0, 0, (160, 120), FORMAT) for frame in frames]


class Packed(NamedTuple):
    packed: Tensor


class Counting:
    """A detector of one person whose score is the picture's brightness; it counts the pictures."""

    def __init__(self) -> None:
        self.pictures = 0

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        self.pictures += len(pictures)
        bright = pictures.float().mean((1, 2, 3))
        return {4: bright[:, None, None, None].expand(-1, 2, 3, 3)}, bright

    def decode(self, heads: Any, max_people: int) -> Packed:
        packed = torch.zeros(len(heads), max_people, 56)
        packed[:, 0, 4] = heads
        return Packed(packed)


def pictures(*values: int) -> Tensor:
    return torch.stack([torch.full((8, 8, 3), value, dtype=torch.uint8) for value in values])


def test_each_frame_of_a_video_is_detected_once_in_any_order() -> None:
    inner = Counting()
    detector = CachingDetector(inner, 3, keep_maps=True)
    detector.expect(metas(0, 1, 2))
    maps, heads = detector(pictures(10, 20, 30))
    assert detector.decode(heads, 3).packed[:, 0, 4].tolist() == [10, 20, 30]
    detector.expect(metas(2, 0))
    maps, heads = detector(pictures(30, 10))
    assert inner.pictures == 3 and maps[4][:, 0, 0, 0].tolist() == [30, 10]
    assert detector.decode(heads, 3).packed[:, 0, 4].tolist() == [30, 10]
    assert detector.found(1)[0, 4] == 20
    detector.expect(metas(0, video="b.mp4"))
    _, heads = detector(pictures(40))
    assert inner.pictures == 4 and detector.decode(heads, 3).packed[0, 0, 4] == 40


def test_maps_are_not_kept_unless_requested() -> None:
    detector = CachingDetector(Counting(), 3, keep_maps=False)
    detector.expect(metas(0))
    assert detector(pictures(10))[0] == {}


def test_unannounced_pictures_raise_an_error() -> None:
    detector = CachingDetector(Counting(), 3, keep_maps=False)
    detector.expect(metas(0))
    with pytest.raises(ValueError, match="argument"):
        detector(pictures(10, 20))


TRUTH = Truth((TrueFrame((true_person(1), true_person(2))), TrueFrame(())))


def rows_of(detector: TrueKeypoints, *frames: int) -> np.ndarray:
    detector.expect(metas(*frames))
    _, heads = detector(pictures(*[0] * len(frames)))
    return detector.decode(heads, 4).packed.numpy()


def test_true_people_are_returned_in_the_detectors_pixels() -> None:
    rows = rows_of(TrueKeypoints(lambda video: TRUTH, 4), -1, 0, 1)
    assert rows.shape == (3, 4, 56) and (rows[..., 4] > 0).sum(1).tolist() == [2, 2, 0]
    # A frame before the first one shows the same.
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_allclose(rows[1, 1, :4], np.array(PLACES[2]) * 2)
    joints = rows[1, 0, 5:].reshape(17, 3)
    np.testing.assert_allclose(joints[:, :2], np.tile((60, 120), (17, 1)))
    assert joints[:, 2].tolist() == pytest.approx([SEEN_SCORE] * 9 + [HIDDEN_SCORE] * 8)


def test_joints_outside_the_picture_have_the_lowest_score() -> None:
    keypoints = ((-1.0, 50.0, 0), (160.0, 50.0, 0), (80.0, 50.0, 0), (80.0, 50.0, 1), *[(80.0, 50.0, 0)] * 13)
    person = msgspec.structs.replace(true_person(1), keypoints=keypoints)
    assert true_joints(person, (160, 120))[:4, 2].tolist() == [OUTSIDE_SCORE, OUTSIDE_SCORE, HIDDEN_SCORE, SEEN_SCORE]


def test_noise_has_the_requested_size_and_is_reproducible_per_frame() -> None:
    many = Truth((TrueFrame((true_person(1),)),) * 60)
    detector, again = (TrueKeypoints(lambda video: many, 1, noise=2.0) for _ in range(2))
    rows = rows_of(detector, *range(60))
    joints = rows[:, 0, 5:].reshape(60, 17, 3)
    # The box is 100 px high, so 2 px in the video and 4 px for the detector.
    assert np.std(joints[..., :2] - (60, 120)) == pytest.approx(4.0, rel=0.06)
    assert joints[..., 2].min() == pytest.approx(HIDDEN_SCORE)
    np.testing.assert_array_equal(rows_of(again, 7, 3), rows[[7, 3]])
