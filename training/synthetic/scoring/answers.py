"""What a model said of one generated video, as plain values. Owns nothing; no model is known here."""

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
    in_force: frozenset[Pair] = frozenset()
    """The states in force; of a part without any, `none`."""
    state_scores: NDArray[np.float32] | None = None
    """[pairs], in the order of `VideoAnswers.pairs`; None: only what is in force is known."""


class AnsweredFrame(NamedTuple):
    """One frame, by its number from 0."""

    number: int
    people: tuple[AnsweredPerson, ...]
    found: NDArray[np.float32] | None = None
    """[K, 56] in the video's pixels, what the detector found: box, score, 17 keypoints with scores; None: not known."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What the learned stages took: all but decoding, detection and tracking."""

    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class VideoAnswers:
    """All that was said of one video."""

    frames: list[AnsweredFrame]
    """Those that were shown to the model and could be read, in order."""
    action: str
    """The video's class."""
    reported: dict[str, PredictedFrame]
    """The frames that the benchmark scores, by file name (`img_00001.json`)."""
    pairs: tuple[Pair, ...]
    """The part states that the model knows."""
    fault: str | None = None
    """Why not all of the video was looked at, or None."""
    effort: Effort = field(default_factory=Effort)
