"""The command line of partstream, whose detector sees crowds, each in three frames.

Tracker, state bank, networks and everything after them are the product's. One person stays throughout.

python -m benchmarks.engine.memory.programs.crowd_engine run --config FILE
"""

from __future__ import annotations

import runpy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages import profiles
from stages.detection.detections import BatchDetections
from stages.detection.keypoint_detector import KeypointDetections
from stages.looks import Look
from stages.settings import ScoreThresholds

PASSING = 31
"""New people of each crowd."""
FRAMES = 3
"""Frames in which each crowd is seen."""
GRIDS = 4
"""Places of crowds: each is used again only when the tracks of its last crowd have ended."""
COLUMNS, ROWS = 16, 8
"""Cells of the picture, one for each person."""

# A person in a cell of 1 x 1: x, y of the 17 keypoints.
STANDING = np.array(
    [
        (0.50, 0.13), (0.52, 0.11), (0.48, 0.11), (0.55, 0.13), (0.45, 0.13), (0.60, 0.25), (0.40, 0.25), (0.63, 0.40),
        (0.37, 0.40), (0.64, 0.53), (0.36, 0.53), (0.56, 0.53), (0.44, 0.53), (0.56, 0.75), (0.44, 0.75), (0.56, 0.95),
        (0.44, 0.95),
    ],
    np.float32,
)  # fmt: skip
SCORE = 0.6


class Crowds:
    """Implements `Detector` without a network."""

    has_keypoints = True
    sees_regions = False
    looks_again = False
    looks_for_objects = False
    networks = ()
    default_thresholds = ScoreThresholds(0.1, 0.2, 0.45, 0.25, 0.2)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return planes of the source's size."""
        return SlotFormat(pixels="planes", size=source_size, content=source_size)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Return the crowd of each frame."""
        looked_at = [number for number, look in enumerate(looks) if look.anything]
        return BatchDetections(
            {number: KeypointDetections.of(crowd(frames[number].meta), frames[number].meta) for number in looked_at}, []
        )

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Do nothing."""


def crowd(meta: FrameMeta) -> NDArray[np.float32]:
    """Return the detections [people, 56] of a frame: the one who stays, and those of its crowd, who move a little."""
    grid = meta.frame // FRAMES % GRIDS
    cells = [0, *range(grid * (PASSING + 1) + 1, (grid + 1) * (PASSING + 1))]
    width, height = meta.size[0] / COLUMNS, meta.size[1] / ROWS
    rows = np.zeros((len(cells), 56), np.float32)
    for row, cell in zip(rows, cells):
        down, right = divmod(cell, COLUMNS)
        wave = 0.02 * np.sin(meta.frame + cell + np.arange(17))[:, None]
        points = (STANDING + wave + (right, down)) * (width, height)
        row[:4] = (right + 0.2) * width, (down + 0.02) * height, (right + 0.8) * width, (down + 0.98) * height
        row[4] = SCORE
        row[5:] = np.concatenate([points, np.full((17, 1), SCORE)], 1).ravel()
    return rows


def _crowds(*_: Any, **__: Any) -> Crowds:
    return Crowds()


if __name__ == "__main__":
    setattr(profiles, "load_detector", _crowds)  # noqa: B010 - pyright would check its type
    runpy.run_path("run_stream.py", run_name="__main__")
