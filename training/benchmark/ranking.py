"""How well scores rank positives above negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    return float((ranks[label].sum() - positives * (positives + 1) / 2) / (positives * negatives))
