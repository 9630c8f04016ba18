"""Answers over the course of a video: accuracy by share observed, and the time until the answer stays correct.

The file is optional: {video: [[seconds, label, score], …]}. Each label holds from that time on (null: no answer yet);
seconds count from the video's beginning and ascend. The last answer's time is taken as the video's end, so write one
for each frame, even if the label stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.benchmark.submission import Flags, Floats, GroundTruth, SubmissionError, decoded, read_bytes, require

SHARES: Floats = np.arange(101) / 100
"""Shares of a video at which the current answer is compared."""

Answer = tuple[float, str | None, float]


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """Figures of the answers over time of V videos."""

    accuracy: Floats
    """[101]: share of the videos whose answer is correct after `SHARES` of the video."""
    settled_s: Floats
    """[V]: seconds until the answer is correct to the end; infinite if it ends wrong."""

    def settled_after(self, share: float) -> float | None:
        """Return the seconds after which this share of all videos stays correct; None if fewer ever do."""
        ordered = np.sort(self.settled_s)
        seconds = float(ordered[max(0, int(np.ceil(share * len(ordered))) - 1)])
        return seconds if np.isfinite(seconds) else None


def read_answers(path: Path, truth: GroundTruth) -> list[list[Answer]]:
    """Return the answers for the truth's V videos, in its order; others are ignored. Raises `SubmissionError`."""
    given = decoded(path.name, read_bytes(path), dict[str, list[Answer]])
    require(path.name, truth.videos, given)
    for video in truth.videos:
        seconds = [entry[0] for entry in given[video]]
        if seconds != sorted(seconds) or (seconds and seconds[0] < 0):
            raise SubmissionError(f"{path.name}: video {video!r}: the answers' seconds must ascend from 0")
    return [given[video] for video in truth.videos]


def recognise(answers: Sequence[Sequence[Answer]], actions: Sequence[str]) -> Recognition:
    """Return accuracy by share observed and the time until the answer stays correct. Both arguments have length V."""
    right_at = np.zeros((len(answers), len(SHARES)), dtype=bool)
    settled = np.full(len(answers), np.inf)
    for row, (given, action) in enumerate(zip(answers, actions)):
        if not given:
            continue
        seconds = np.array([entry[0] for entry in given])
        right = np.array([entry[1] == action for entry in given])
        last = np.searchsorted(seconds, SHARES * seconds[-1], side="right") - 1
        right_at[row] = (last >= 0) & right[last]
        settled[row] = _settled(seconds, right)
    return Recognition(accuracy=right_at.mean(axis=0), settled_s=settled)


def _settled(seconds: Floats, right: Flags) -> float:
    wrong = np.flatnonzero(~right)
    first = int(wrong[-1]) + 1 if len(wrong) else 0
    return float(seconds[first]) if first < len(seconds) else np.inf
