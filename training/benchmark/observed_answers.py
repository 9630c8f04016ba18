"""Answers while a video is still being watched: how much of it an answer needs, and when it is right for good.

The file is optional: {video: [[seconds, label, score], …]}, the label that was answered from that instant on (null: no
answer yet), seconds from the video's beginning, rising. The last answer's time is taken as the video's end, so write
one for each frame that was looked at, also when nothing changes. Pure apart from reading the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from training.benchmark import decoding_errors
from training.benchmark.submission import GroundTruth
from training.benchmark.submission_columns import Flags, Floats
from training.benchmark.submission_errors import MissingVideosError, Place, WrongValueError

SHARES: Floats = np.arange(101) / 100
"""Shares of a video at which the answer in force is looked at."""

Answer = tuple[float, str | None, float]


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """What the answers over time of V videos amount to."""

    accuracy: Floats
    """[101]: share of the videos whose answer is right once `SHARES` of the video has been observed."""
    settled_s: Floats
    """[V]: seconds until the answer is right and stays so to the end; infinite where it never is."""

    def settled_after(self, share: float) -> float | None:
        """Seconds after which that share of all videos is right for good; None if so many never are."""
        ordered = np.sort(self.settled_s)
        seconds = float(ordered[max(0, int(np.ceil(share * len(ordered))) - 1)])
        return seconds if np.isfinite(seconds) else None


def read_answers(path: Path, truth: GroundTruth) -> list[list[Answer]]:
    """The answers of the truth's V videos, in its order. Raises `SubmissionError`; other videos are not looked at."""
    content = decoding_errors.read_bytes(path)
    try:
        given = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except decoding_errors.DECODING_ERRORS as error:
        raise decoding_errors.in_file(path.name, content, error) from None
    if missing := [video for video in truth.videos if video not in given]:
        raise MissingVideosError(Place(path.name), missing, len(truth.videos))
    return [_answers(Place(path.name, video), given[video]) for video in truth.videos]


def recognise(answers: Sequence[Sequence[Answer]], actions: Sequence[str]) -> Recognition:
    """Accuracy by share observed, and the time until the answer is right for good. Both of length V."""
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


def _answers(place: Place, raw: msgspec.Raw) -> list[Answer]:
    try:
        answers = msgspec.json.decode(raw, type=list[Answer])
    except decoding_errors.DECODING_ERRORS as error:
        problem = str(error).replace("`", "").replace(" - at $", ", at answer ")
        raise WrongValueError(place, f"{problem}; each answer is [seconds, label or null, score]") from None
    before = 0.0
    for number, (seconds, _, _) in enumerate(answers):
        if seconds < before:
            where = "before the video's beginning" if number == 0 else f"after {before} s"
            raise WrongValueError(place, f"answer {number} comes {seconds} s, {where}; seconds must rise")
        before = seconds
    return answers
