"""Answers on footage: every frame of a film through the pipeline, as the engine hands them to it. Owns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from stages.third_party import weights
from stages.types import Model, PersonAnalysis
from training.footage.labels import ClipLabels, Half, LabelError, read_labels
from training.footage.scoring import WITHIN_S, PredictedFrame, Prediction, judge
from training.footage.summary import ClipScore
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError


class FootageError(RuntimeError):
    """A film can't be read; the message names it."""


class FilmAnswers(NamedTuple):
    """What was answered on one film, frame by frame, and the (width, height) of the picture that the detector saw."""

    frames: list[PredictedFrame]
    detector_picture: tuple[int, int]


def packaged_labels() -> dict[str, list[ClipLabels]]:
    """The labels of `training/footage` by clip: one entry a labeller. Raises `LabelError`."""
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
    """One clip, once through the model from its beginning, against each labeller's halves.

    Raises `WeightsError` where the footage isn't in the cache, `FootageError`, and `LabelError` for labels of another
    version of the footage.
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
    """Run a film through a model that takes rgb24 pictures, up to `until_s` of media time if that is given.

    `detector_size` (width, height) as in a camera's configuration; None lets the model choose. An answer is the label
    of the person's last step, or the one that events are made from if `smoothed`. Raises `FootageError`.
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


def _prediction(person: PersonAnalysis, smoothed: bool) -> Prediction:
    action = person.action
    if action is None:
        return Prediction(person.box, None, 0.0)
    if smoothed:
        return Prediction(person.box, action.smoothed, action.smoothed_score)
    return Prediction(person.box, action.label, action.score)
