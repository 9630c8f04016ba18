"""Intersection over union (IoU) of boxes x1, y1, x2, y2; and how well scores rank positives above negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Pixels = NDArray[np.floating[Any]]


def iou(first: Pixels, second: Pixels) -> NDArray[np.float64]:
    """Return the IoU [...] of boxes [..., 4] with continuous coordinates, whose shapes are broadcast."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / np.maximum(union, 1e-9)


def inclusive_iou(a: Pixels, b: Pixels) -> Pixels:
    """Return the IoU of boxes [..., 4] that include their last row and column; -1 without overlap. Keeps the dtype."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + 1
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + 1
    shared = width * height
    apart = (width <= 0) | (height <= 0)
    areas = [(box[..., 2] - box[..., 0] + 1) * (box[..., 3] - box[..., 1] + 1) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    return np.where(apart, -1, shared / np.where(apart, 1, union)).astype(a.dtype, copy=False)


def average_precision(score: NDArray[Any], label: NDArray[Any]) -> float:
    """Return the mean of the precision at each positive, by descending score; NaN without positives."""
    order = np.argsort(-score, kind="stable")
    hits = label[order].astype(float)
    if not hits.any():
        return float("nan")
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def area_under_curve(score: NDArray[Any], label: NDArray[Any]) -> float:
    """Return the probability that a positive scores above a negative; ties count half; NaN if either is missing."""
    label = label.astype(bool)
    positives, negatives = int(label.sum()), int((~label).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[label].sum() - positives * (positives + 1) / 2) / (positives * negatives))
