"""A model's answers on one generated video, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.types import Box
from training.benchmark.predicted_answers import PredictedFrame

Pair = tuple[str, str]
"""(part, state)"""


class AnsweredPerson(NamedTuple):
    """One person as published in one frame: `label` None where there is no answer yet, `score` in [0, 1]."""

    box: Box
    label: str | None
    score: float
    states: frozenset[Pair] = frozenset()
    """The current states; for a part without any, `none`."""
    state_scores: NDArray[np.float32] | None = None
    """[pairs], in the order of `VideoAnswers.pairs`; None: only the current states are known."""


class AnsweredFrame(NamedTuple):
    """One frame, by its number from 0."""

    number: int
    people: tuple[AnsweredPerson, ...]
    found: NDArray[np.float32] | None = None
    """Detections [K, 56] in the video's pixels: box, score, 17 keypoints with scores; None: unknown."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Time of the learned stages, without decoding, detection and tracking."""

    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class VideoAnswers:
    """All answers on one video."""

    frames: list[AnsweredFrame]
    """The frames that were shown to the model and could be read, in order."""
    action: str
    """The video's class."""
    reported: dict[str, PredictedFrame]
    """The frames that the benchmark scores, by file name (`img_00001.json`)."""
    pairs: tuple[Pair, ...]
    """The part states that the model knows."""
    error: str | None = None
    """Why not all of the video was read, or None."""
    effort: Effort = field(default_factory=Effort)
