"""Comparison of checkpoints on the same videos, with paired bootstrap intervals of their differences.

The bootstrap draws videos, not person-frames, because neighbouring frames of a person are correct or wrong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.footage.judging import Judged

DRAWS = 2000
LEVEL = 0.95
FIGURES = ("online accuracy", "video accuracy", "area")
Array = NDArray[np.float64]


class VideoOutcome(NamedTuple):
    """One video under one checkpoint: person-frames by true action (correct, all), whether its class is correct, and
    its Part State Correctness."""

    name: str
    frames: Mapping[str, tuple[int, int]]
    right: bool
    psc: float


class Difference(msgspec.Struct, frozen=True):
    """A figure minus the baseline's, and the interval with 95 % of the draws."""

    value: float
    low: float
    high: float


class Compared(msgspec.Struct, frozen=True):
    """One checkpoint: its figures by name (`FIGURES`), the differences to the baseline (None for the baseline itself),
    and the milliseconds of the learned stages per person and step."""

    name: str
    figures: dict[str, float]
    differences: dict[str, Difference] | None
    step_ms: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """For V videos and A actions: correct and all person-frames [V, A], correct class [V], correct class × PSC [V]."""

    right: Array
    total: Array
    video_right: Array
    area: Array


def outcome(judged: Sequence[Judged], name: str, right: bool, psc: float) -> VideoOutcome:
    """Return the outcome of one video's person-frames."""
    frames: dict[str, tuple[int, int]] = {}
    for one in judged:
        hit, all_of_it = frames.get(one.truth, (0, 0))
        frames[one.truth] = (hit + (one.answer == one.truth), all_of_it + 1)
    return VideoOutcome(name, frames, right, psc)


def compare(
    checkpoints: Mapping[str, Sequence[VideoOutcome]],
    baseline: str,
    step_ms: Mapping[str, float | None] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> list[Compared]:
    """Return every checkpoint compared with the baseline, in the given order. All need scores on the same videos.

    Online accuracy is the mean over actions; area is Σ [correct class] · PSC / videos, which the metric's sum over
    10,000 thresholds approximates within 1e-4.
    """
    names = [one.name for one in checkpoints[baseline]]
    for name, outcomes in checkpoints.items():
        if [one.name for one in outcomes] != names:
            raise ValueError(f"{name} and {baseline} were scored on different videos")
    actions = sorted({action for outcomes in checkpoints.values() for one in outcomes for action in one.frames})
    once = np.ones((1, len(names)))
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(names), np.full(len(names), 1 / len(names)), draws).astype(np.float64)
    columns = {name: _columns(outcomes, actions) for name, outcomes in checkpoints.items()}
    reference, drawn_reference = _figures(columns[baseline], once), _figures(columns[baseline], weights)
    compared: list[Compared] = []
    for name, own in columns.items():
        whole = _figures(own, once)
        differences: dict[str, Difference] | None = None
        if name != baseline:
            apart = _figures(own, weights) - drawn_reference
            low, high = np.quantile(apart, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
            middle = (whole - reference)[:, 0]
            differences = {
                figure: Difference(*values)
                for figure, *values in zip(FIGURES, middle.tolist(), low.tolist(), high.tolist())
            }
        compared.append(
            Compared(name, dict(zip(FIGURES, whole[:, 0].tolist())), differences, (step_ms or {}).get(name))
        )
    return compared


def markdown(compared: Sequence[Compared]) -> str:
    """Return a table. Differences are in points, with 95 % intervals; those that exclude 0 are bold."""
    lines = [
        "| checkpoint | " + " | ".join(f"{figure} | difference" for figure in FIGURES) + " | ms a step |",
        "|---|" + "---:|" * (2 * len(FIGURES) + 1),
    ]
    for one in compared:
        cells: list[str] = []
        for figure in FIGURES:
            cells.append(f"{one.figures[figure]:.1%}")
            cells.append("" if one.differences is None else _points(one.differences[figure]))
        cells.append("–" if one.step_ms is None else f"{one.step_ms:.2f}")
        lines.append(f"| {one.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _points(found: Difference) -> str:
    value, low, high = (_signed(100 * number) for number in (found.value, found.low, found.high))
    words = f"{value} [{low}, {high}]"
    return f"**{words}**" if found.low > 0 or found.high < 0 else words


def _signed(number: float) -> str:
    return f"{number:+.1f}".replace("-", "−")


def _columns(outcomes: Sequence[VideoOutcome], actions: Sequence[str]) -> _Columns:
    pairs = np.array([[one.frames.get(action, (0, 0)) for action in actions] for one in outcomes], np.float64)
    pairs = pairs.reshape(len(outcomes), len(actions), 2)
    right = np.array([one.right for one in outcomes], np.float64)
    return _Columns(pairs[..., 0], pairs[..., 1], right, right * np.array([one.psc for one in outcomes]))


def _figures(columns: _Columns, weights: Array) -> Array:
    """Return figures [figures, draws] for draws of videos: `weights` [draws, V], each summing to V.

    An action that is missing in a draw does not count there.
    """
    total = weights @ columns.total
    there = total > 0
    shares = np.where(there, (weights @ columns.right) / np.maximum(total, 1), 0.0)
    online = shares.sum(1) / np.maximum(there.sum(1), 1)
    videos = weights.sum(1)
    return np.stack([online, weights @ columns.video_right / videos, weights @ columns.area / videos])
