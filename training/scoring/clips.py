"""Running a model on the packaged clips, whose people are labelled with boxes, and judging its answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.third_party import weights
from stages.types import Model, PersonAnalysis
from training.footage.judging import MIN_IOU, Judged, match
from training.footage.labels import UNSURE, Box, ClipLabels, Half, LabelError, Labelled, instants, read_labels, times
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError

WITHIN_S = 0.25
"""An instant has the answer of the nearest predicted frame, at most this far away."""


class FootageError(RuntimeError):
    """A film cannot be read; the message names it."""


class Prediction(NamedTuple):
    """One predicted person in one frame; `label` None without an answer yet, `score` in [0, 1]."""

    box: Box
    label: str | None
    score: float


class PredictedFrame(NamedTuple):
    """The predicted people in one frame at `time` seconds of media time. Include frames without people."""

    time: float
    people: tuple[Prediction, ...]


class ClipScore(NamedTuple):
    """One clip's half against one labeller. `picture`: (width, height) that the detector saw; `extra_seconds`:
    person-seconds of predicted people without a label."""

    clip: str
    picture: tuple[int, int]
    half: Half
    labeller: str
    judged: list[Judged]
    extra_seconds: float


class FilmAnswers(NamedTuple):
    """The answers on one film, frame by frame, and the (width, height) of the picture that the detector saw."""

    frames: list[PredictedFrame]
    detector_picture: tuple[int, int]


def packaged_labels() -> dict[str, list[ClipLabels]]:
    """Return the labels in `training/footage` by clip, one entry per labeller. Raises `LabelError`."""
    clips: dict[str, list[ClipLabels]] = {}
    with resources.as_file(resources.files("training").joinpath("footage")) as folder:
        for path in sorted(folder.glob("*.json")):
            labels = read_labels(path)
            clips.setdefault(labels.clip, []).append(labels)
    return clips


def score_clip(
    model: Model,
    labellers: Sequence[ClipLabels],
    halves: Sequence[Half],
    detector_size: tuple[int, int] | None = None,
    *,
    smoothed: bool = False,
) -> list[ClipScore]:
    """Run one clip through the model once, from its beginning, and score it against each labeller's halves.

    Raises `WeightsError` if the footage is not installed, `FootageError`, and `LabelError` for labels of other footage.
    """
    first = labellers[0]
    film = weights.locate(first.asset, first.file)
    known = {file.name: file.sha256 for file in weights.asset(first.asset).files}
    for labels in labellers:
        if labels.sha256 != known[labels.file]:
            raise LabelError(f"{labels.clip} ({labels.labeller}): labels another version of {labels.file}")
    ends = [first.development[1] if half == "development" else first.test[1] for half in halves]
    answers = answer_film(model, film, detector_size, until_s=max(ends) + WITHIN_S, smoothed=smoothed)
    return [
        ClipScore(labels.clip, answers.detector_picture, half, labels.labeller, *judge(labels, answers.frames, half))
        for half in halves
        for labels in labellers
    ]


def answer_film(
    model: Model,
    film: Path,
    detector_size: tuple[int, int] | None = None,
    *,
    until_s: float | None = None,
    smoothed: bool = False,
) -> FilmAnswers:
    """Run a film through a model, up to `until_s` of media time if given, and return its answers.

    `detector_size` (width, height) is that of a camera's configuration; None lets the model choose. An answer is the
    label of the person's last step, or with `smoothed` the label that events use. Raises `FootageError`.
    """
    answers: list[PredictedFrame] = []
    content = (0, 0)
    try:
        for meta, analysis in analyse_video(model, film, detector_size, until_s=until_s):
            content = meta.format.content
            people = tuple(_prediction(person, smoothed) for person in analysis.people)
            answers.append(PredictedFrame(meta.media_us / 1e6, people))
    except VideoReadError as error:
        raise FootageError(str(error)) from None
    return FilmAnswers(answers, content)


def judge(
    labels: ClipLabels, predictions: Iterable[PredictedFrame], half: Half, *, min_iou: float = MIN_IOU
) -> tuple[list[Judged], float]:
    """Return the answer for every labelled instant of one half, and the person-seconds of people without a label.

    An instant has the answers of the nearest frame; without one, all people are missed. People are matched one-to-one
    with the greatest sum of IoU, without pairs below `min_iou`. People labelled unsure are matched and then left out.
    """
    frames = sorted(predictions, key=lambda frame: frame.time)
    frame_times = np.array([frame.time for frame in frames])
    labelled: dict[float, list[Labelled]] = {}
    for one in instants(labels, half):
        labelled.setdefault(one.time, []).append(one)
    judged: list[Judged] = []
    extra = 0
    for time in times(labels, half):
        people = labelled.get(time, [])
        nearest = int(np.abs(frame_times - time).argmin()) if frames else -1
        near = nearest >= 0 and abs(frames[nearest].time - time) <= WITHIN_S
        shown = frames[nearest].people if near else ()
        pairs = dict(match([one.box for one in people], [one.box for one in shown], min_iou))
        extra += len(shown) - len(pairs)
        for row, one in enumerate(people):
            if one.label == UNSURE:
                continue
            got = shown[pairs[row]] if row in pairs else None
            answer, score = (got.label, got.score) if got else (None, 0.0)
            unit = f"{labels.clip}/{one.person}"
            judged.append(
                Judged(labels.clip, one.person, time, labels.every, one.label, answer, score, got is None, unit)
            )
    return judged, extra * labels.every


def _prediction(person: PersonAnalysis, smoothed: bool) -> Prediction:
    action = person.action
    if action is None:
        return Prediction(person.box, None, 0.0)
    if smoothed:
        return Prediction(person.box, action.smoothed, action.smoothed_score)
    return Prediction(person.box, action.label, action.score)
