"""Average precision of detected boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.benchmark.box_overlap import iou

MIN_OVERLAP = 0.5


def average_precision(
    found: Sequence[NDArray[np.float32]], true: Sequence[NDArray[np.float32]], least_overlap: float = MIN_OVERLAP
) -> float | None:
    """Return the average precision of one class over many pictures; None without true boxes.

    `found` [n, 5] has boxes and scores, `true` [m, 4] boxes, per picture. By descending score, each detected box takes
    the free true box with the greatest IoU, and is correct if that is at least `least_overlap`. The result is the area
    under the precision by recall, where the precision is the best at that recall or a greater one (as COCO's, without
    its sampling at 101 points).
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
