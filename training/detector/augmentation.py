"""What training sees of a picture: a square of it, perhaps mirrored, with the boxes moved along. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.detector.pictures import LabelledPicture

LEAST_VISIBLE = 0.3
"""A box of which a smaller share is left in the crop is no example of its class."""
LEAST_SIDE = 2.0
"""Pixels: what is thinner than that shows nothing."""


def random_view(
    labelled: LabelledPicture, side: int, sides_swapped: NDArray[np.int64], random: np.random.Generator
) -> LabelledPicture:
    """A random square, mirrored half of the time. `sides_swapped` [classes]: each class's mirrored one."""
    height, width = labelled.picture.shape[:2]
    left, top = int(random.integers(width - side + 1)), int(random.integers(height - side + 1))
    view = cropped(labelled, left, top, side)
    return mirrored(view, sides_swapped) if random.random() < 0.5 else view


def centre_view(labelled: LabelledPicture, side: int) -> LabelledPicture:
    """The square in the middle."""
    height, width = labelled.picture.shape[:2]
    return cropped(labelled, (width - side) // 2, (height - side) // 2, side)


def cropped(labelled: LabelledPicture, left: int, top: int, side: int) -> LabelledPicture:
    """A square of the picture, with what is left of the boxes in it. Raises `ValueError` where it isn't within."""
    height, width = labelled.picture.shape[:2]
    if min(left, top) < 0 or left + side > width or top + side > height:
        raise ValueError(f"a square of {side} at ({left}, {top}) isn't within a picture of {width}x{height}")
    moved = labelled.boxes - np.tile(np.array([left, top], np.float32), 2)
    cut = moved.clip(0, side)
    sides = cut[:, 2:] - cut[:, :2]
    whole = (moved[:, 2:] - moved[:, :2]).prod(-1)
    kept = (sides.prod(-1) >= LEAST_VISIBLE * whole) & (sides >= LEAST_SIDE).all(-1)
    picture = labelled.picture[top : top + side, left : left + side]
    return LabelledPicture(picture, cut[kept], labelled.labels[kept])


def mirrored(labelled: LabelledPicture, sides_swapped: NDArray[np.int64]) -> LabelledPicture:
    """Left and right exchanged, in the picture and in the names."""
    width = labelled.picture.shape[1]
    boxes = labelled.boxes.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return LabelledPicture(labelled.picture[:, ::-1], boxes, sides_swapped[labelled.labels])


def swapped_sides(classes: Sequence[str]) -> NDArray[np.int64]:
    """Each class's mirrored one: that of the other side, where its name says left or right and there is one."""
    rows = {name: row for row, name in enumerate(classes)}

    def other(name: str) -> str:
        for side, opposite in (("left", "right"), ("right", "left")):
            if name.startswith(side):
                return opposite + name.removeprefix(side)
        return name

    return np.array([rows.get(other(name), row) for row, name in enumerate(classes)], np.int64)
