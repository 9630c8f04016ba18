"""Figures of a network's answers, and its action scores: calibrated by a temperature and adjusted to how often actions
occur."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from stages.heads.action_lstm import ActionLSTM
from stages.heads.hierarchical_scores import HierarchicalScores
from stages.heads.network import ActionNetwork
from stages.vocabulary import Vocabulary
from training.benchmark.measures import average_precision

BINS = 15
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""Range of temperatures."""


def expected_calibration_error(
    logits: NDArray[np.floating], truth: NDArray[np.integer], temperature: float = 1.0
) -> float:
    """Return the mean over answers of |accuracy − score| in `BINS` bins of equal width by score; NaN without answers.

    `logits` [n, actions], `truth` [n].
    """
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
    """Return the mean −log of the true actions' scores. `logits` [n, actions], `truth` [n]."""
    scores = log_softmax(np.asarray(logits, np.float64) / temperature, axis=1)
    return float(-scores[np.arange(len(truth)), truth].mean())


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Return the temperature with the least negative log likelihood; 1 without answers."""
    if len(truth) == 0:
        return 1.0
    found = minimize_scalar(
        lambda inverse: negative_log_likelihood(logits, truth, 1 / inverse),  # convex in 1 / temperature
        bounds=(1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(1 / found.x)  # pyright: ignore[reportAttributeAccessIssue]


def set_temperature(
    network: ActionNetwork, scored: Callable[[], tuple[NDArray[np.floating], NDArray[np.integer]]]
) -> None:
    """Fit the temperature of the network's action scores and set it.

    `scored` returns logits [n, actions] and truth [n]; it is called with the temperature 1.
    """
    network.action_lstm.temperature.fill_(1.0)
    network.action_lstm.temperature.fill_(fit_temperature(*scored()))


def calibration_figures(
    logits: NDArray[np.floating], truth: NDArray[np.integer], temperature: float
) -> dict[str, float | int]:
    """Return figures before and after the temperature; `logits` [n, actions] are already divided by it."""
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


def macro_accuracy(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Return the mean of the shares of right answers of the actions that occur; `logits` [n, actions], `truth` [n]."""
    right = logits.argmax(-1) == truth
    return float(np.mean([right[truth == action].mean() for action in np.unique(truth)]))


def action_figures(actions: Sequence[str], logits: NDArray[np.floating], truth: NDArray[np.integer]) -> dict[str, Any]:
    """Return the share of right answers by action that occurs, its mean, the share over all, and the confusion matrix.

    `logits` [n, actions], `truth` [n]. The mean is None without answers.
    """
    confusion = np.zeros((len(actions), len(actions)), np.int64)
    np.add.at(confusion, (truth, logits.argmax(-1)), 1)
    count, right = confusion.sum(1), np.diag(confusion)
    shares = {name: round(float(right[at] / count[at]), 3) for at, name in enumerate(actions) if count[at]}
    return {
        "steps": len(truth),
        "macro_accuracy": round(float(np.mean(list(shares.values()))), 4) if shares else None,
        "accuracy_of_steps": round(int(right.sum()) / max(1, len(truth)), 4),
        "accuracy": shares,
        "confusion": confusion.tolist(),
    }


def state_figures(
    vocabulary: Vocabulary, scores: NDArray[Any], truth: NDArray[Any], known: NDArray[Any]
) -> dict[str, Any]:
    """Return average precision, F1 at 0.5 and share of each part state, and the mean average precision.

    `scores` and `truth` [n, parts, states]; `known` [n, parts]: whether the part was seen and its states are known.
    """
    out: dict[str, Any] = {}
    for part, state in vocabulary.pairs():
        row, column = vocabulary.part_index(part), vocabulary.state_index(state.label)
        shown = known[:, row]
        score, label = scores[shown, row, column], truth[shown, row, column]
        called = score >= 0.5
        both = int((called & label).sum())
        out[f"{part} {state.label}"] = {
            "ap": None if not label.any() else round(average_precision(score, label), 3),
            "f1": None if not label.any() else round(2 * both / max(1, int(called.sum() + label.sum())), 3),
            "share": round(float(label.mean()), 4) if len(label) else 0.0,
        }
    precisions = [entry["ap"] for entry in out.values() if entry["ap"] is not None]
    return {"mean_ap": round(float(np.mean(precisions)), 3) if precisions else None, "pairs": out}


def check_actions(names: Iterable[str], actions: Sequence[str], setting: str) -> None:
    """Raise ValueError if a name in the setting `actions.<setting>` is not one of `actions`."""
    if unknown := sorted(set(names) - set(actions)):
        raise ValueError(f"actions.{setting}: there is no action {', '.join(unknown)}; there are {', '.join(actions)}")


@torch.no_grad()
def apply_prevalence(network: ActionNetwork, prevalence: Mapping[str, float]) -> None:
    """Change the action scores in place; `prevalence` is how often an action occurs, relative to training.

    The odds of its published score against actions that are not listed change by this factor. Raises ValueError as
    `check_actions`.
    """
    actions = network.vocabulary.actions
    check_actions(prevalence, actions, "prevalence")
    temperature = float(network.action_lstm.temperature)
    layers = [network.frame_scores]
    if isinstance(network.action_lstm, ActionLSTM):
        layers.append(network.action_lstm.scores)
    for name, times in prevalence.items():
        for layer in layers:
            # With several heads, a bias would change the odds within one head only.
            bias = layer.shift if isinstance(layer, HierarchicalScores) else layer.bias
            # Logits are divided by the temperature afterwards.
            bias[actions.index(name)] += math.log(times) * temperature
