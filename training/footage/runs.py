"""Running a model on labelled footage and scoring its answers."""

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
    """A film cannot be read; the message names it."""


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


def _prediction(person: PersonAnalysis, smoothed: bool) -> Prediction:
    action = person.action
    if action is None:
        return Prediction(person.box, None, 0.0)
    if smoothed:
        return Prediction(person.box, action.smoothed, action.smoothed_score)
    return Prediction(person.box, action.label, action.score)
