"""Every frame of a video file through a model, as the engine would hand them to it: in order of time, none dropped.

A video is decoded in one thread, turned the way its file says it is shown, and scaled as a camera's picture is.
`read_frames` gives single pictures of it, by the same code.
`tests/integration/test_footage_score.py` holds the answers to those of the engine itself. Owns nothing but the open
file: the model is the caller's, and forgets the video's people at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import msgspec
import numpy as np
from av.codec.context import ThreadType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.device.halving import Halving
from stages.types import FrameAnalysis, Model
from telemetry.observer import Observer
from training.kinetics_tps.videos import OPEN_OPTIONS

_AT_ONCE = 8
"""Frames a batch, as the engine's default; it changes no answer."""


class VideoReadError(RuntimeError):
    """A video can't be read, or not to its end; the message names it."""


class AnalysedFrame(NamedTuple):
    """One frame and what the model says of it."""

    meta: FrameMeta
    """`frame` counts from 0, `media_us` from the first frame; `size` is the picture as it is shown."""
    analysis: FrameAnalysis


def analyse_video(
    model: Model,
    path: Path,
    detector_size: tuple[int, int] | None = None,
    *,
    until_s: float | None = None,
    rehearse: bool = False,
    without: Container[int] = (),
) -> Iterator[AnalysedFrame]:
    """Run a video through a model that takes rgb24 pictures, up to `until_s` of media time if that is given.

    `detector_size` (width, height) as in a camera's configuration; None lets the model choose. `rehearse`: show the
    model the first picture once before, as frame -1, and keep no answer: a person is reported from their second
    sighting on, and so from the first frame. Frames whose number, from 0, is in `without` are decoded and not shown to
    the model, as if they had been lost on their way. Raises `VideoReadError` where the video can't be read on, after
    the frames before that, and for one without a picture.
    """
    camera = path.name
    at_once = Halving("detection", "frames", Observer())
    try:
        number = 0
        for batch in _batches(_leases(lambda size: model.slot_format(size, detector_size), path, until_s, without)):
            if rehearse and not number:
                first = batch[0]
                model.process([msgspec.structs.replace(first, meta=msgspec.structs.replace(first.meta, frame=-1))])
            for lease, analysis in zip(batch, _analyses(model, batch, at_once), strict=True):
                number += 1
                yield AnalysedFrame(lease.meta, analysis)
        if not number:
            raise VideoReadError(f"{path}: holds no picture")
    finally:
        model.forget(camera)


def _analyses(model: Model, batch: list[Lease], at_once: Halving) -> list[FrameAnalysis]:
    pieces = at_once.run(len(batch), lambda start, stop: model.process(batch[start:stop]))
    return [analysis for piece in pieces for analysis in piece]


def read_frames(
    path: Path, format_of: Callable[[tuple[int, int]], SlotFormat], numbers: Collection[int]
) -> Iterator[Lease]:
    """The pictures of these frames, by number from 0, in order, as `analyse_video` would show them to a model that
    wants `format_of` a source of that (width, height). Decoded from the beginning, since a frame's number is known by
    counting, and no further than the last of them; those between are neither turned nor scaled. Raises
    `VideoReadError` where one of them can't be had, after the frames before it.
    """
    wanted = frozenset(numbers)
    if not wanted:
        return
    last = max(wanted)
    for lease in _leases(format_of, path, None, _AllBut(wanted)):
        yield lease
        if lease.meta.frame == last:
            return
    raise VideoReadError(f"{path}: ends before frame {last}")


@dataclass(frozen=True, slots=True)
class _AllBut:
    """Frames to leave out: all but those wanted."""

    wanted: frozenset[int]

    def __contains__(self, number: object) -> bool:
        return number not in self.wanted


def _batches(leases: Iterator[Lease]) -> Iterator[list[Lease]]:
    batch: list[Lease] = []
    try:
        for lease in leases:
            batch.append(lease)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
    except VideoReadError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _leases(
    format_of: Callable[[tuple[int, int]], SlotFormat], path: Path, until_s: float | None, without: Container[int]
) -> Iterator[Lease]:
    """The video's frames as a camera would lend them; boxes will be in pixels of the first."""
    first_us = media_us = 0
    size: tuple[int, int] = (0, 0)
    format: SlotFormat | None = None
    reformatter = VideoReformatter()
    for number, (frame, time_us) in enumerate(_decoded(path)):
        turned = _quarter_turns(frame)
        if format is None:
            first_us = time_us
            size = (frame.height, frame.width) if turned % 2 else (frame.width, frame.height)
            format = format_of(size)
        media_us = max(media_us, time_us - first_us)
        if until_s is not None and media_us > until_s * 1e6:
            return
        if number in without:
            continue
        meta = FrameMeta(path.name, 1, number, media_us, media_us, "media", 0, 0, size, format)
        yield Lease(meta, _picture(frame, turned, format, reformatter), 0)


def _decoded(path: Path) -> Iterator[tuple[av.VideoFrame, int]]:
    """Frames and their times in µs."""
    try:
        with av.open(f"file:{path.absolute()}", options=OPEN_OPTIONS) as container:
            if not container.streams.video:
                raise VideoReadError(f"{path}: holds no video")
            stream = container.streams.video[0]
            stream.thread_type = ThreadType.NONE
            for frame in container.decode(stream):
                # AVI has no presentation times: the decoding time stands for them.
                time = frame.pts if frame.pts is not None else frame.dts
                if time is None or frame.time_base is None:
                    raise VideoReadError(f"{path}: a picture has no time")
                yield frame, round(time * frame.time_base * 1_000_000)
    except VideoReadError:
        raise
    except Exception as error:  # damaged files also bring out IndexError, AttributeError, … of the bindings
        reason = getattr(error, "strerror", None) or error
        raise VideoReadError(f"{path}: can't be read: {reason}") from error


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Counter-clockwise, 0 to 3."""
    return round(frame.rotation / 90) % 4


def _picture(frame: av.VideoFrame, turned: int, format: SlotFormat, reformatter: VideoReformatter) -> np.ndarray:
    """uint8 of the format's shape: the frame turned and scaled into the content's place, black around it."""
    width, height = format.content
    across, down = (height, width) if turned % 2 else (width, height)
    smaller = across <= frame.width and down <= frame.height
    scaled = reformatter.reformat(
        frame,
        across,
        down,
        "rgb24",
        interpolation=Interpolation.AREA if smaller else Interpolation.BILINEAR,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    picture = np.zeros(format.shape, np.uint8)
    picture[:height, :width] = np.rot90(scaled.to_ndarray(), turned)
    return picture
