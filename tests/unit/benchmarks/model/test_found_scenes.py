"""Tests of drawn clips."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.model import found_scenes
from benchmarks.model.found_scenes import FixedCamera

SIZE = (320, 180)


@pytest.fixture(scope="module")
def camera() -> FixedCamera:
    return FixedCamera(SIZE, 1)


def test_drawn_people_have_the_wanted_height_and_their_boxes_show_them(
    camera: FixedCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_scenes, "PEOPLE_S", 0.2)
    clip = camera.people(3, 60, 2)
    assert [at for _, at in clip.frames] == [0, 100_000]
    for (frame, _), truth in zip(clip.frames, clip.truth, strict=True):
        assert (frame.width, frame.height) == SIZE
        assert (truth.shares > 0.9).all()
        assert np.abs(truth.boxes[:, 3] - truth.boxes[:, 1] - 60).max() < 20


def test_the_same_clip_is_drawn_whatever_was_drawn_before(camera: FixedCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_scenes, "PEOPLE_S", 0.2)
    first, _, again = camera.people(1, 60, 1), camera.people(2, 60, 1), camera.people(1, 60, 1)
    np.testing.assert_array_equal(first.frames[1][0].to_ndarray(), again.frames[1][0].to_ndarray())
