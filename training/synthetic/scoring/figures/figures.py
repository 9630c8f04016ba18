"""All figures of one checkpoint on a generated test set, from its `ScoredVideo`s (see docs/generated-data.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from training.footage.judging import Judged, by_class, seconds_by_answer
from training.footage.labels import OTHER
from training.synthetic.scoring.figures.benchmark import BenchmarkScore
from training.synthetic.scoring.figures.detector_figures import DetectorFigures, detector_figures
from training.synthetic.scoring.figures.part_figures import PartFigures, part_figures
from training.synthetic.scoring.figures.settling import SettlingFigures, settled
from training.synthetic.scoring.figures.settling import figures as settling_figures
from training.synthetic.scoring.judging import Answer, ScoredVideo

BINS = 15
"""Bins of equal width by score for the calibration error, as in `training.run.validation.scores`."""
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Accuracy(msgspec.Struct, frozen=True):
    """Counted person-frames, the mean of the actions' correct shares, and the shares of all person-frames that are
    correct, missed, and without an answer or wrongly classified as `other`."""

    person_frames: int
    macro: float | None
    micro: float | None
    missed: float | None
    unanswered: float | None


class ActionFigures(msgspec.Struct, frozen=True):
    """One true action. `answers`: person-frames by answer, most first."""

    person_frames: int
    right: float
    answers: dict[str, int]


class Threshold(msgspec.Struct, frozen=True):
    """The answers that score at least a threshold: the correct share, that share with answers for people who are not
    there counted as wrong, and their share of all person-frames. `other` is not an answer; an answer for a person whose
    action is `other` is wrong."""

    precision: float | None
    precision_all: float | None
    coverage: float | None


class Calibration(msgspec.Struct, frozen=True):
    """Calibration of the published score: the expected calibration error, and precision and coverage by threshold."""

    expected_error: float | None
    at_least: dict[str, Threshold]


class Benchmark(msgspec.Struct, frozen=True):
    """The benchmark's figures: videos with the correct class, mean Part State Correctness, and area. The last two are
    None if scored frames were not shown."""

    video_accuracy: float
    mean_psc: float | None
    area: float | None


class WithDrops(msgspec.Struct, frozen=True):
    """The pass with a share of missing frames. `lost`: macro accuracy lost against the pass without."""

    share: float
    online: Accuracy
    lost: float | None


class VideoFigures(msgspec.Struct, frozen=True):
    """One video: `right` of its `person_frames` are correct; `psc` as in `Benchmark`."""

    name: str
    action: str
    answer: str
    unseen_motion: bool
    person_frames: int
    right: int
    psc: float | None
    error: str | None


class SetFigures(msgspec.Struct, frozen=True):
    """All figures of one checkpoint. `seen` and `unseen`: people doing their video's action, by whether training shows
    it done in this way. `step_ms`: milliseconds of the learned stages per person and step."""

    online: Accuracy
    unseen: Accuracy
    seen: Accuracy
    with_drops: WithDrops | None
    extra_people: int
    """Predicted person-frames without a person."""
    settling: SettlingFigures
    settling_after_change: SettlingFigures
    actions: dict[str, ActionFigures]
    calibration: Calibration
    parts: PartFigures
    detector: DetectorFigures | None
    benchmark: Benchmark
    step_ms: float | None
    videos: list[VideoFigures]


def set_figures(
    videos: Sequence[ScoredVideo], benchmark: BenchmarkScore | None, drop: float | None = None
) -> SetFigures:
    """Return all figures of at least one video, scored under equal conditions. `benchmark`: None if not applicable."""
    judged = [one for video in videos for one in video.judgement.judged]
    doing = {
        unseen: [
            one
            for video in videos
            for one in video.judgement.judged
            if video.unseen_motion == unseen and one.truth == video.action
        ]
        for unseen in (False, True)
    }
    online = accuracy(judged)
    stretches = settled(judged)
    detectors = [video.judgement.detector for video in videos if video.judgement.detector is not None]
    return SetFigures(
        online=online,
        unseen=accuracy(doing[True]),
        seen=accuracy(doing[False]),
        with_drops=None if drop is None else _with_drops(videos, drop, online),
        extra_people=sum(len(video.judgement.extras) for video in videos),
        settling=settling_figures(stretches),
        settling_after_change=settling_figures([one for one in stretches if one.changed]),
        actions=action_figures(judged),
        calibration=calibration(judged, [one for video in videos for one in video.judgement.extras]),
        parts=part_figures([video.judgement.states for video in videos], videos[0].pairs),
        detector=detector_figures(detectors),
        benchmark=Benchmark(
            sum(video.answer == video.action for video in videos) / len(videos),
            None if benchmark is None else benchmark.mean_psc,
            None if benchmark is None else benchmark.area,
        ),
        step_ms=step_ms(videos),
        videos=[_video(video, None if benchmark is None else benchmark.psc.get(video.name)) for video in videos],
    )


def step_ms(videos: Sequence[ScoredVideo]) -> float | None:
    """Return the milliseconds of the learned stages per person and step; None without a step."""
    steps = sum(video.effort.steps for video in videos)
    return 1e3 * sum(video.effort.seconds for video in videos) / steps if steps else None


def accuracy(judged: Sequence[Judged]) -> Accuracy:
    """Return the accuracy of counted person-frames; its shares are None without any."""
    if not judged:
        return Accuracy(0, None, None, None, None)
    classes = by_class(judged).values()
    total = sum(one.total for one in classes)
    return Accuracy(
        len(judged),
        sum(one.share for one in classes) / len(classes),
        sum(one.right for one in classes) / total,
        sum(one.missed for one in classes) / total,
        sum(not one.missed and one.answer != one.truth and one.answer in (None, OTHER) for one in judged) / total,
    )


def action_figures(judged: Iterable[Judged]) -> dict[str, ActionFigures]:
    """Return the figures by true action, in alphabetical order."""
    judged = list(judged)
    answers = seconds_by_answer(judged)
    return {
        action: ActionFigures(
            round(one.total), one.share, {answer: round(frames) for answer, frames in answers[action].items()}
        )
        for action, one in by_class(judged).items()
    }


def calibration(judged: Sequence[Judged], extras: Sequence[Answer]) -> Calibration:
    """Return the calibration of the published score; its expected error includes the answer `other`."""
    said = [one for one in judged if one.answer is not None]
    error = calibration_error([one.score for one in said], [one.answer == one.truth for one in said])
    return Calibration(error, {f"{least:g}": _threshold(judged, extras, least) for least in THRESHOLDS})


def _threshold(judged: Sequence[Judged], extras: Sequence[Answer], least: float) -> Threshold:
    sure = [one for one in judged if one.answer not in (None, OTHER) and one.score >= least]
    right = sum(one.answer == one.truth for one in sure)
    everything = len(sure) + sum(label not in (None, OTHER) and score >= least for label, score in extras)
    return Threshold(
        right / len(sure) if sure else None,
        right / everything if everything else None,
        len(sure) / len(judged) if judged else None,
    )


def calibration_error(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """Return the mean over answers of |correct share − mean score| in `BINS` bins by score; None without answers."""
    if not len(scores):
        return None
    sure = np.asarray(scores, np.float64)
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=np.asarray(right, np.float64) - sure, minlength=BINS)
    return float(np.abs(gaps).sum() / len(sure))


def as_json(figures: SetFigures) -> dict[str, Any]:
    """Return plain values, with numbers rounded to four digits."""
    return _rounded(msgspec.to_builtins(figures))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def _with_drops(videos: Sequence[ScoredVideo], share: float, online: Accuracy) -> WithDrops:
    found = accuracy([one for video in videos for one in video.dropped or []])
    lost = None if online.macro is None or found.macro is None else online.macro - found.macro
    return WithDrops(share, found, lost)


def _video(video: ScoredVideo, psc: float | None) -> VideoFigures:
    judged = video.judgement.judged
    right = sum(one.answer == one.truth for one in judged)
    return VideoFigures(
        video.name, video.action, video.answer, video.unseen_motion, len(judged), right, psc, video.error
    )
