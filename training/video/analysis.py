"""Every frame of a video file through a model, as the engine would pass them: in order of time, without drops.

`tests/integration/test_footage_score.py` compares the answers with those of the engine itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ring_buffers.frames import FrameMeta, Lease
from stages.device.halving import Halving
from stages.types import FrameAnalysis, Model
from telemetry.observer import Observer
from training.video.frames import VideoReadError, video_frames

_BATCH = 8
"""Frames per batch, as the engine's default; it does not change the answers."""


class AnalysedFrame(NamedTuple):
    """One frame and the model's analysis of it."""

    meta: FrameMeta
    """`frame` counts from 0, `media_us` from the first frame; `size` is the frame's size as shown."""
    analysis: FrameAnalysis


def analyse_video(
    model: Model,
    path: Path,
    detector_size: tuple[int, int] | None = None,
    *,
    until_s: float | None = None,
    shown: Callable[[int], bool] | None = None,
) -> Iterator[AnalysedFrame]:
    """Yield each frame's analysis, up to `until_s` of media time if given; the model forgets the video at its end.

    `detector_size` (width, height) is that of a camera's configuration; None lets the model choose. Frames for
    whose number, from 0, `shown` is false are decoded but not shown to the model, as if they had been dropped. Raises
    `VideoReadError` where the video cannot be read, after the frames before that, and for a video without frames.
    """
    halving = Halving("detection", "frames", Observer())
    leases = video_frames(path, lambda size: model.slot_format(size, detector_size), until_s=until_s, shown=shown)
    empty = True
    try:
        for batch in _batches(leases):
            empty = False
            for lease, analysis in zip(batch, _analyses(model, batch, halving), strict=True):
                if analysis.failed is not None:
                    raise VideoReadError(
                        f"{path}: frame {lease.meta.frame}: stage {analysis.failed} gave NaN or infinity; use another "
                        "checkpoint"
                    )
                yield AnalysedFrame(lease.meta, analysis)
        if empty:
            raise VideoReadError(f"{path}: holds no frame")
    finally:
        model.forget(path.name)


def _analyses(model: Model, batch: list[Lease], halving: Halving) -> list[FrameAnalysis]:
    pieces = halving.run(len(batch), lambda start, stop: model.process(batch[start:stop]))
    return [analysis for piece in pieces for analysis in piece]


def _batches(leases: Iterator[Lease]) -> Iterator[list[Lease]]:
    batch: list[Lease] = []
    try:
        for lease in leases:
            batch.append(lease)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except VideoReadError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
