from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from ring_buffers.motion import motion_gate
from ring_buffers.motion.motion_gate import MotionGate
from ring_buffers.motion.motion_map import MotionMap, boxes_of
from support.luma_scenes import Luma, grey_frame, levels, make_grey_film, moves_in, street, with_person

SIZE = (1280, 720)
SCENE = street(*SIZE)
STEP_US = 100_000


def after_a_second(scene: Luma, format: str = "yuv420p") -> MotionGate:
    """Return a gate that has seen the scene for a second, ten frames."""
    gate = MotionGate()
    frame = grey_frame(levels(scene), format)
    assert gate.look(frame, 0).everything
    for step in range(1, 10):
        assert not gate.look(frame, step * STEP_US).moves
    return gate


def person_box(left: float, bottom: float, height: float) -> tuple[float, float, float, float]:
    return (left, bottom - height, left + 0.35 * height, bottom)


@pytest.mark.parametrize(
    "format", ["yuv420p", "yuvj420p", "nv12", "yuv422p", "gray", "yuv420p10le", "p010le", "yuyv422", "rgb24"]
)
def test_a_person_40_pixels_tall_at_720p_is_found_in_every_pixel_format(format: str) -> None:
    gate = after_a_second(SCENE, format)
    found = gate.look(grey_frame(levels(with_person(SCENE, 700, 400, 40, 25)), format), 10 * STEP_US)
    box = person_box(700, 400, 40)
    assert not found.everything and found.share < 0.02
    assert moves_in(found, box, SIZE)
    (region,) = boxes_of(found.moving(), SIZE)
    assert region[0] <= box[0] and region[1] <= box[1] and region[2] >= box[2] and region[3] >= box[3]
    assert region[2] - region[0] <= 5 * 32 and region[3] - region[1] <= 5 * 33


@pytest.mark.parametrize("size", [(640, 360), (768, 576), (1921, 1079), (719, 1280), (320, 240), (97, 75)])
def test_a_person_is_found_at_their_place_in_pictures_of_any_size(size: tuple[int, int]) -> None:
    width, height = size
    scene = street(*size)
    gate = after_a_second(scene)
    tall = height / 4
    left, bottom = width * 0.7, height * 0.5
    found = gate.look(grey_frame(levels(with_person(scene, left, bottom, tall, -30))), 10 * STEP_US)
    assert moves_in(found, person_box(left, bottom, tall), size)
    ((x1, y1, x2, y2),) = boxes_of(found.moving(), size)
    assert x1 > width * 0.5 and y1 > height * 0.1 and x2 <= width and y2 < height * 0.8


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_map_is_that_of_the_picture_as_shown(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion_gate, "quarter_turns", lambda frame: turns)
    stored, changed = np.full((360, 640), 100, np.uint8), np.full((360, 640), 100, np.uint8)
    changed[20:120, 40:100] = 180
    gate = MotionGate()
    whole = gate.look(grey_frame(stored), 0)
    found = gate.look(grey_frame(changed), STEP_US)
    shown = np.rot90(changed, turns) == 180
    assert (found.columns > found.rows) == (turns % 2 == 0)
    assert (whole.columns, whole.rows) == (found.columns, found.rows)
    for row, column in np.argwhere(found.moving()).tolist():
        rows, columns = (np.linspace(0, side, cells + 1) for side, cells in zip(shown.shape, found.moving().shape))
        cell = shown[int(rows[row]) : int(rows[row + 1]) + 1, int(columns[column]) : int(columns[column + 1]) + 1]
        assert cell.any()
    (box,) = boxes_of(found.moving(), shown.shape[::-1], margin=0)
    across, down = np.flatnonzero(shown.any(0)), np.flatnonzero(shown.any(1))
    assert box == pytest.approx((across[0], down[0], across[-1], down[-1]), abs=17)


def test_an_epoch_begins_with_everything_and_without_the_past() -> None:
    gate = after_a_second(SCENE)
    other = grey_frame(levels(street(*SIZE, seed=9)))
    gate.begin_epoch()
    assert gate.look(other, 0).everything, "media time begins again"
    assert not gate.look(other, STEP_US).moves


def test_a_sender_that_scales_its_picture_does_not_move() -> None:
    """Cameras and browsers lower their resolution within an epoch."""
    gate = after_a_second(SCENE)
    frame = grey_frame(levels(SCENE))
    for step in range(10, 20):
        assert gate.look(frame.reformat(640, 360, interpolation="AREA"), step * STEP_US).share < 0.02
    walker = grey_frame(levels(with_person(SCENE, 700, 400, 120, -40))).reformat(640, 360, interpolation="AREA")
    assert moves_in(gate.look(walker, 20 * STEP_US), person_box(700, 400, 120), SIZE)


def looks(film: Path) -> list[MotionMap]:
    gate = MotionGate()
    with av.open(str(film)) as container:
        return [gate.look(frame, round((frame.time or 0) * 1e6)) for frame in container.decode(video=0)]


def test_a_faint_walker_is_found_through_noise_and_h264(tmp_path: Path) -> None:
    """40 pixels tall at 720p, 10 levels from the background, 3 levels of noise."""
    rng = np.random.default_rng(1)
    lefts = [300 + 3.0 * step for step in range(30)]
    scenes = [SCENE] * 20 + [with_person(SCENE, left, 400, 40, 10) for left in lefts]
    noisy = [scene + rng.normal(0, 3, scene.shape).astype(np.float32) for scene in scenes]
    film = make_grey_film(tmp_path / "a.mp4", noisy, rate=10, bits_per_second=2_500_000, keyframe_every=20)
    found = looks(film)[20:]
    hits = [moves_in(one, person_box(left, 400, 40), SIZE) for one, left in zip(found, lefts, strict=True)]
    assert np.mean(hits) >= 0.9 and all(any(pair) for pair in pairwise(hits))
