"""Views of a picture for training: a square of it, perhaps mirrored, with its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_VISIBLE = 0.3
"""A box is dropped if a smaller share of it lies in the crop."""
MIN_SIDE = 2.0
"""A box is dropped if it is thinner than this, in pixels."""


class LabelledPicture(NamedTuple):
    """A picture uint8 `[H, W, 3]` RGB, boxes float32 `[n, 4]` (x1, y1, x2, y2 in its pixels), labels int64 `[n]`."""

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def random_view(
    labelled: LabelledPicture, side: int, sides_swapped: NDArray[np.int64], random: np.random.Generator
) -> LabelledPicture:
    """Return a random square, mirrored half of the time. `sides_swapped`: each class when mirrored."""
    height, width = labelled.picture.shape[:2]
    left, top = int(random.integers(width - side + 1)), int(random.integers(height - side + 1))
    view = cropped(labelled, left, top, side)
    return mirrored(view, sides_swapped) if random.random() < 0.5 else view


def centre_view(labelled: LabelledPicture, side: int) -> LabelledPicture:
    """Return the square in the middle."""
    height, width = labelled.picture.shape[:2]
    return cropped(labelled, (width - side) // 2, (height - side) // 2, side)


def cropped(labelled: LabelledPicture, left: int, top: int, side: int) -> LabelledPicture:
    """Return a square of the picture with the boxes in it, clipped. Raises ValueError if it exceeds the picture."""
    height, width = labelled.picture.shape[:2]
    if min(left, top) < 0 or left + side > width or top + side > height:
        raise ValueError(f"a square of {side} at ({left}, {top}) exceeds the picture of {width}x{height}")
    moved = labelled.boxes - np.tile(np.array([left, top], np.float32), 2)
    cut = moved.clip(0, side)
    sides = cut[:, 2:] - cut[:, :2]
    whole = (moved[:, 2:] - moved[:, :2]).prod(-1)
    kept = (sides.prod(-1) >= MIN_VISIBLE * whole) & (sides >= MIN_SIDE).all(-1)
    picture = labelled.picture[top : top + side, left : left + side]
    return LabelledPicture(picture, cut[kept], labelled.labels[kept])


def mirrored(labelled: LabelledPicture, sides_swapped: NDArray[np.int64]) -> LabelledPicture:
    """Return the picture with left and right exchanged, including in the labels."""
    width = labelled.picture.shape[1]
    boxes = labelled.boxes.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return LabelledPicture(labelled.picture[:, ::-1], boxes, sides_swapped[labelled.labels])


def swapped_sides(classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the row of each class when mirrored, int64 `[classes]`: "left…" and "right…" are exchanged."""
    rows = {name: row for row, name in enumerate(classes)}

    def other(name: str) -> str:
        for side, opposite in (("left", "right"), ("right", "left")):
            if name.startswith(side):
                return opposite + name.removeprefix(side)
        return name

    return np.array([rows.get(other(name), row) for row, name in enumerate(classes)], np.int64)
