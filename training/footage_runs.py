"""Answers on footage: every frame of a film through the pipeline, as the engine hands them to it.

A film is decoded in one thread, scaled as a camera's picture is, and analysed in order of time; nothing is dropped.
`tests/integration/test_footage_score.py` holds the answers to those of the engine itself. Owns nothing: the pipeline is
the caller's, and forgets the film's people at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.codec.context import ThreadType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages import weights
from stages.types import Model, PersonAnalysis
from training.footage_labels import ClipLabels, Half, LabelError, read_labels
from training.footage_scoring import WITHIN_S, PredictedFrame, Prediction, judge
from training.footage_summary import ClipScore

_AT_ONCE = 8
"""Frames a batch, as the engine's default; it changes no answer."""


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
        leases = _leases(model, film, detector_size, until_s)
        while batch := list(islice(leases, _AT_ONCE)):
            content = batch[0].meta.format.content
            for lease, analysis in zip(batch, model.process(batch), strict=True):
                people = tuple(_prediction(person, smoothed) for person in analysis.people)
                answers.append(PredictedFrame(lease.meta.media_us / 1e6, people))
    finally:
        model.forget(film.name)
    if not answers:
        raise FootageError(f"{film}: holds no picture")
    return FilmAnswers(answers, content)


def _prediction(person: PersonAnalysis, smoothed: bool) -> Prediction:
    action = person.action
    if action is None:
        return Prediction(person.box, None, 0.0)
    if smoothed:
        return Prediction(person.box, action.smoothed, action.smoothed_score)
    return Prediction(person.box, action.label, action.score)


def _leases(model: Model, film: Path, detector_size: tuple[int, int] | None, until_s: float | None) -> Iterator[Lease]:
    """The film's frames as a camera would lend them; boxes will be in pixels of the first."""
    first_us = media_us = 0
    meta: FrameMeta | None = None
    reformatter = VideoReformatter()
    for number, (frame, time_us) in enumerate(_decoded(film)):
        if meta is None:
            first_us, size = time_us, (frame.width, frame.height)
            format = model.slot_format(size, detector_size)
        else:
            size, format = meta.size, meta.format
        media_us = max(media_us, time_us - first_us)
        if until_s is not None and media_us > until_s * 1e6:
            return
        meta = FrameMeta(film.name, 1, number, media_us, media_us, "media", 0, 0, size, format)
        yield Lease(meta, _picture(frame, format, reformatter), 0, 0)


def _decoded(film: Path) -> Iterator[tuple[av.VideoFrame, int]]:
    """Frames and their times in µs."""
    try:
        with av.open(str(film)) as container:
            if not container.streams.video:
                raise FootageError(f"{film}: holds no video")
            stream = container.streams.video[0]
            stream.thread_type = ThreadType.NONE
            for frame in container.decode(stream):
                # AVI has no presentation times: the decoding time stands for them.
                time = frame.pts if frame.pts is not None else frame.dts
                if time is None or frame.time_base is None:
                    raise FootageError(f"{film}: a picture has no time")
                yield frame, round(time * frame.time_base * 1_000_000)
    except (av.error.FFmpegError, OSError) as error:
        raise FootageError(f"{film}: can't be read: {error.strerror or error}") from error


def _picture(frame: av.VideoFrame, format: SlotFormat, reformatter: VideoReformatter) -> np.ndarray:
    """uint8 of the format's shape: the frame scaled into the content's place, black around it."""
    width, height = format.content
    smaller = width <= frame.width and height <= frame.height
    scaled = reformatter.reformat(
        frame,
        width,
        height,
        "rgb24",
        interpolation=Interpolation.AREA if smaller else Interpolation.BILINEAR,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    picture = np.zeros(format.shape, np.uint8)
    picture[:height, :width] = scaled.to_ndarray()
    return picture
