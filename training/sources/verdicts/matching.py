"""Whom a verdict is on: the track of a watched clip that has the verdict's boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.verdicts.verdict_file import Verdict
from training.annotated_videos.sightings import Sightings

LEAST_IOU = 0.5
"""Least mean IoU of a track and a verdict's boxes. Both come from the same detector, so that they are close."""
LEAST_SHARE = 0.5
"""Least share of a verdict's boxes at whose times the track is seen."""

Boxes = NDArray[np.float64]


class _Match(NamedTuple):
    overlap: float
    """Sum of the IoU over the verdict's boxes."""
    track: int


def matching_track(seen: Sightings, verdict: Verdict, size: tuple[int, int], fps: float) -> int | None:
    """Return the track that a verdict is on, None if none has its boxes.

    `size` (width, height) and `fps` are those of the clip in which `seen` was. A track is compared at the boxes' times,
    to half a frame. It fits if it is seen at `LEAST_SHARE` of them and its mean IoU there is `LEAST_IOU`. Of several,
    the one with the largest sum of IoU is returned.
    """
    boxes = np.array(verdict.boxes, np.float64)
    scale = np.array([size[0] / verdict.size[0], size[1] / verdict.size[1]] * 2)
    best: _Match | None = None
    for rows in seen.tracks():
        near, found = _at(seen.time_us[rows], boxes[:, 0], 0.5e6 / fps)
        if not found.any() or found.sum() < LEAST_SHARE * len(boxes):
            continue
        overlap = _iou(seen.box[rows][near[found]].astype(np.float64), boxes[found, 1:] * scale)
        if overlap.mean() >= LEAST_IOU and (best is None or overlap.sum() > best.overlap):
            best = _Match(float(overlap.sum()), int(seen.track[rows.start]))
    return None if best is None else best.track


def _at(times_us: NDArray[np.int64], wanted_us: Boxes, tolerance_us: float) -> tuple[NDArray[np.int64], NDArray]:
    """Return the place of the nearest of the ascending `times_us` for each wanted one, and whether it is near."""
    after = np.searchsorted(times_us, wanted_us).clip(1, max(1, len(times_us) - 1))
    before = after - 1
    after = after.clip(max=len(times_us) - 1)
    near = np.where(np.abs(times_us[after] - wanted_us) < np.abs(times_us[before] - wanted_us), after, before)
    return near, np.abs(times_us[near] - wanted_us) <= tolerance_us


def _iou(first: Boxes, second: Boxes) -> Boxes:
    """Return the IoU [n] of each two boxes [n, 4]."""
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    shared = sides.clip(0).prod(-1)
    areas = (first[:, 2:] - first[:, :2]).prod(-1) + (second[:, 2:] - second[:, :2]).prod(-1)
    return shared / np.maximum(areas - shared, 1e-6)
