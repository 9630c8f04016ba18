"""Running a model on the packaged clips, whose people are labelled with boxes, and judging its answers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.third_party import weights
from stages.types import Model
from training.footage.judging import Judged, match
from training.footage.labels import UNSURE, ClipLabels, Half, LabelError, Labelled, instants, read_labels, times
from training.scoring.films import Frame, seen_people
from training.video.analysis import analyse_video
from training.video.frames import VideoReadError

WITHIN_S = 0.25
"""An instant has the answer of the nearest predicted frame, at most this far away."""


class FootageError(RuntimeError):
    """A film cannot be read; the message names it."""


class AnsweredFrame(NamedTuple):
    """The people in one frame at `time` seconds of media time, also if there are none."""

    time: float
    people: Frame


class ClipScore(NamedTuple):
    """One clip's half against one labeller. `picture`: (width, height) that the detector saw; `extra_seconds`:
    person-seconds of predicted people without a label."""

    clip: str
    picture: tuple[int, int]
    half: Half
    labeller: str
    judged: list[Judged]
    extra_seconds: float


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
    frames, picture = answer_film(model, film, detector_size, until_s=max(ends) + WITHIN_S)
    return [
        ClipScore(labels.clip, picture, half, labels.labeller, *judge(labels, frames, half, smoothed=smoothed))
        for half in halves
        for labels in labellers
    ]


def answer_film(
    model: Model, film: Path, detector_size: tuple[int, int] | None = None, *, until_s: float | None = None
) -> tuple[list[AnsweredFrame], tuple[int, int]]:
    """Run a film through a model, up to `until_s` of media time if given.

    Returns the answers frame by frame, and the (width, height) of the picture that the detector saw. `detector_size` is
    that of a camera's configuration; None lets the model choose. Raises `FootageError`.
    """
    answers: list[AnsweredFrame] = []
    content = (0, 0)
    try:
        for meta, analysis in analyse_video(model, film, detector_size, until_s=until_s):
            content = meta.format.content
            answers.append(AnsweredFrame(meta.media_us / 1e6, seen_people(analysis)))
    except VideoReadError as error:
        raise FootageError(str(error)) from None
    return answers, content


def judge(
    labels: ClipLabels, frames: Sequence[AnsweredFrame], half: Half, *, smoothed: bool = False
) -> tuple[list[Judged], float]:
    """Return the answer for every labelled instant of one half, and the person-seconds of people without a label.

    An instant has the answers of the nearest frame; without one, all people are missed. People are matched one-to-one
    with the greatest sum of IoU, as `match` does. People labelled unsure are matched and then left out.
    """
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
        pairs = dict(match([one.box for one in people], [one.box for one in shown]))
        extra += len(shown) - len(pairs)
        for row, one in enumerate(people):
            if one.label == UNSURE:
                continue
            got = shown[pairs[row]] if row in pairs else None
            answer, score = got.answer(smoothed=smoothed) if got else (None, 0.0)
            unit = f"{labels.clip}/{one.person}"
            judged.append(
                Judged(labels.clip, one.person, time, labels.every, one.label, answer, score, got is None, unit)
            )
    return judged, extra * labels.every
