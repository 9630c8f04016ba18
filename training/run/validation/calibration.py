"""Calibration of the action scores: how far they are from how often they are right, and the temperature that mends it.

Pure functions (Guo et al., "On calibration of modern neural networks", 2017). A temperature changes no answer, only how
sure it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]
BINS = 15
LEAST, GREATEST = 0.05, 20.0
"""Temperatures outside this range mean that there is nothing to fit."""


def expected_calibration_error(
    logits: NDArray[np.floating], truth: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Mean over answers of |accuracy − score| in `BINS` bins of equal width by score. `logits` [n, actions], `truth`
    [n]; NaN for none."""
    if len(truth) == 0:
        return float("nan")
    scores = softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    sure, right = scores.max(1), scores.argmax(1) == truth
    # A score of exactly k / BINS belongs to the bin below, as in the paper.
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right - sure, minlength=BINS)
    return float(np.abs(gaps).sum() / len(truth))


def negative_log_likelihood(
    logits: NDArray[np.floating], truth: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Mean of −log of the score given to what is true. `logits` [n, actions], `truth` [n]."""
    scores = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    return float(-scores[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """The temperature with the least negative log likelihood; 1 where there is nothing to fit it on."""
    if len(truth) == 0:
        return 1.0
    found = minimize_scalar(
        lambda inverse: negative_log_likelihood(logits, truth, 1 / inverse),  # convex in 1 / temperature
        bounds=(1 / GREATEST, 1 / LEAST),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(1 / found.x)  # pyright: ignore[reportAttributeAccessIssue]


def calibration_figures(
    logits: NDArray[np.floating], truth: NDArray[np.integer], temperature: float
) -> dict[str, float | int]:
    """Of n answers, before and after the temperature that `logits` [n, actions] have been divided by already."""
    if len(truth) == 0:
        return {"temperature": temperature, "steps": 0}
    raw = np.asarray(logits, np.float64) * temperature
    return {
        "temperature": round(temperature, 4),
        "steps": len(truth),
        "expected_error_before": round(expected_calibration_error(raw, truth), 4),
        "expected_error_after": round(expected_calibration_error(raw, truth, temperature), 4),
        "log_loss_before": round(negative_log_likelihood(raw, truth), 4),
        "log_loss_after": round(negative_log_likelihood(raw, truth, temperature), 4),
    }
