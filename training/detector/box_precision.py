"""How well boxes are found: the average precision of each class at an IoU of a half. Pure, owns nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEAST_OVERLAP = 0.5


def average_precision(
    found: Sequence[NDArray[np.float32]], true: Sequence[NDArray[np.float32]], least_overlap: float = LEAST_OVERLAP
) -> float | None:
    """Of one class, over many pictures: `found` [n, 5] boxes and score, `true` [m, 4] of each; None without any true.

    The best first, each found box takes the free true box that it overlaps most, and is right if there is one of at
    least `least_overlap`. The area under the precision at each recall, where the precision is the best that is reached
    at that recall or a greater one (as COCO's, without its sampling at 101 points).
    """
    truths = sum(map(len, true))
    if not truths:
        return None
    right: list[bool] = []
    scores: list[float] = []
    for boxes, wanted in zip(found, true, strict=True):
        overlaps = iou(boxes[:, :4], wanted)
        free = np.ones(len(wanted), bool)
        for row in np.argsort(-boxes[:, 4], kind="stable"):
            candidates = np.where(free, overlaps[row], -1.0)
            best = int(candidates.argmax()) if len(wanted) else -1
            hit = best >= 0 and candidates[best] >= least_overlap
            if hit:
                free[best] = False
            right.append(hit)
            scores.append(float(boxes[row, 4]))
    hits = np.array(right, bool)[np.argsort(-np.array(scores), kind="stable")]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[hits].sum() / truths)


def iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Boxes [n, 4] and [m, 4] → [n, m]."""
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / np.maximum(union, 1e-9)
