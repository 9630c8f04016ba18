"""The benchmark's metric on a generated test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from training.benchmark.predicted_answers import PredictedFrame
from training.benchmark.psc import evaluate
from training.benchmark.submission import GroundTruth, parse_prediction, read_ground_truth
from training.synthetic.videos.manifest import GROUND_TRUTH


@dataclass(frozen=True, slots=True)
class BenchmarkScore:
    """Part State Correctness by video, its mean, and the area."""

    psc: dict[str, float]
    mean_psc: float
    area: float


def read_benchmark(root: Path) -> GroundTruth:
    """Return the ground truth of the test set `root`. Raises `SubmissionError`."""
    return read_ground_truth(root / GROUND_TRUTH)


def benchmark_score(
    truth: GroundTruth, actions: Mapping[str, str], reported: Mapping[str, Mapping[str, PredictedFrame]]
) -> BenchmarkScore:
    """Score each video's class and its frames by file name. Raises `SubmissionError` if a video is missing."""
    guess = parse_prediction(msgspec.json.encode(actions), msgspec.json.encode(reported), truth)
    found = evaluate(truth, guess)
    return BenchmarkScore(dict(zip(truth.videos, found.psc.tolist())), float(found.psc.mean()), found.area)
