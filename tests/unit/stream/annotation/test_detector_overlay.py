"""Drawing what the detector looked at on a layer."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.looks import LookKind
from stream.annotation.detector_overlay import KINDS
from stream.annotation.overlay import GUESSED_AFTER_US, OverlayPainter
from stream.pictures.drawing import PAPER
from stream.results import Box, Frame
from support.engines.drawn_results import a_frame, a_person

SIZE = (640, 480)
"""Twice the results' size."""
REGION: Box = (40.0, 60.0, 200.0, 220.0)
AT_REGION = (2 * 140, 2 * 40)
"""Row and column of a pixel of the region's left edge on the layer."""
AT_EDGE = (300, 2)
"""Of the frame around the picture."""
FRAME_US = 40_000


def looked(number: int, look: LookKind, regions: list[Box] | None = None) -> Frame:
    """Return the result of a frame without people."""
    return msgspec.structs.replace(a_frame(number, []), look=look, regions=regions or [])


def painted(*frames: Frame) -> NDArray[np.uint8]:
    """Return the layer of the last of these frames: [480, 640, 4]."""
    painter = OverlayPainter(SIZE, detector=True)
    return np.asarray([painter.paint(frame) for frame in frames][-1])


def test_regions_are_thin_squares_where_the_result_has_them() -> None:
    layer = painted(looked(0, "regions", [REGION]))
    assert tuple(layer[AT_REGION][:3]) == PAPER and layer[AT_REGION][3] > 200
    assert layer[2 * 140, 2 * 40 + 4, 3] == 0 and layer[AT_EDGE][3] == 0


def test_a_look_at_the_whole_picture_is_a_frame_around_it() -> None:
    layer = painted(looked(0, "whole"))
    assert tuple(layer[AT_EDGE][:3]) == PAPER and layer[AT_EDGE][3] > 200
    assert layer[AT_REGION][3] == 0


def test_regions_stay_while_frames_are_skipped_and_fade_when_they_are_no_longer_looked_at() -> None:
    frames = [looked(0, "regions", [REGION]), *(looked(number, "nothing") for number in range(2, 24))]
    alphas = [int(painted(*frames[:count])[AT_REGION][3]) for count in range(1, len(frames) + 1)]
    assert int(painted(frames[0], looked(1, "skipped"))[AT_REGION][3]) == alphas[0]
    assert alphas == sorted(alphas, reverse=True) and alphas[12] < alphas[0]
    assert alphas[-1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_of_the_present_look_is_the_brightest(kind: LookKind) -> None:
    """The names are in the order of `KINDS`, so that the brightest place tells which one it is."""
    layers = {other: painted(looked(0, other, [REGION] * (other == "regions"))) for other in KINDS}
    lines = {other: layer[8:28, 300:632, :3].astype(int).max(axis=(0, 2)) for other, layer in layers.items()}
    bright = {other: np.flatnonzero(line > 200) for other, line in lines.items()}
    assert all(len(places) > 10 for places in bright.values())
    middles = [float(np.median(bright[other])) for other in KINDS]
    assert middles == sorted(middles)
    assert len(set(middles)) == len(KINDS)
    assert bright[kind].max() - bright[kind].min() < 120, "only one name is bright"


def test_labels_of_people_do_not_cover_the_names_of_the_looks() -> None:
    person = a_person(1, (230, 18, 318, 200))
    frame = msgspec.structs.replace(a_frame(0, [person]), look="regions", regions=[REGION])
    with_person, without = painted(frame), painted(looked(0, "regions", [REGION]))
    assert (with_person[9:26, 330:630] == without[9:26, 330:630]).all()


def test_a_person_between_two_detections_looks_like_a_detected_one_until_the_box_is_a_guess() -> None:
    def corner(layer: NDArray[np.uint8]) -> int:
        return int(layer[2 * 60 + 1, 2 * 120 + 1, 3])

    painter = OverlayPainter(SIZE)
    guessed = msgspec.structs.replace(a_person(), detected=False)
    last = GUESSED_AFTER_US // FRAME_US
    alphas = [
        corner(np.asarray(painter.paint(a_frame(number, [a_person() if number == 0 else guessed]))))
        for number in range(last + 3)
    ]
    assert set(alphas[: last + 1]) == {255}
    assert set(alphas[last + 1 :]) == {140}
    assert corner(np.asarray(painter.paint(a_frame(last + 3, [a_person()])))) == 255
