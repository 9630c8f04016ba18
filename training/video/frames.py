"""Frames of a video file as a camera would lend them: in order of time, turned as shown, written into slots."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from av.codec.context import ThreadType

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.motion.motion_gate import MotionGate
from ring_buffers.slot_writers import PictureWriter, picture_writer, shown_size

OPEN_OPTIONS = {
    # A text file called .mp4 could otherwise be a playlist, and open other files or addresses.
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv",
    "protocol_whitelist": "file",
}
"""For `av.open`, with an address that begins with `file:`."""

FormatOf = Callable[[tuple[int, int]], SlotFormat]
"""The slot format for a source of (width, height)."""


class VideoReadError(RuntimeError):
    """A video cannot be read, or not to its end; the message names it."""


def video_frames(
    path: Path, format_of: FormatOf, *, until_s: float | None = None, shown: Callable[[int], bool] | None = None
) -> Iterator[Lease]:
    """Yield the frames of a video in order, up to `until_s` of media time if given.

    `frame` counts from 0, `media_us` from the first frame; boxes are in pixels of the first frame. Frames for whose
    number `shown` is false are decoded and left out. Raises `VideoReadError`.
    """
    return lent_frames(path.name, _decoded(path), format_of, until_s=until_s, shown=shown)


def lent_frames(
    camera: str,
    frames: Iterable[tuple[av.VideoFrame, int]],
    format_of: FormatOf,
    *,
    until_s: float | None = None,
    shown: Callable[[int], bool] | None = None,
) -> Iterator[Lease]:
    """Yield frames, each with its time in µs, as `video_frames` does, as those of `camera`."""
    first_us = media_us = 0
    size: tuple[int, int] = (0, 0)
    format: SlotFormat | None = None
    writer: PictureWriter | None = None
    gate = MotionGate()
    for number, (frame, time_us) in enumerate(frames):
        if format is None or writer is None:
            first_us, size = time_us, shown_size(frame)
            format = format_of(size)
            writer = picture_writer(format)
        media_us = max(media_us, time_us - first_us)
        if until_s is not None and media_us > until_s * 1e6:
            return
        if shown is not None and not shown(number):
            continue
        picture = np.zeros(format.shape, np.uint8)
        writer.write(frame, picture)
        motion = gate.look(frame, media_us) if format.motion else None
        meta = FrameMeta(camera, 1, number, media_us, media_us, "media", 0, 0, size, format, motion)
        yield Lease(meta, picture, 0)


def read_frames(path: Path, format_of: FormatOf, numbers: Collection[int]) -> Iterator[Lease]:
    """Yield the frames with these numbers, counted from 0, in order, as `video_frames` does.

    The video is decoded from its beginning, because frames are counted, up to the last of them; the others are neither
    turned nor scaled. Raises `VideoReadError` for a frame that cannot be read, after the frames before it.
    """
    wanted = frozenset(numbers)
    if not wanted:
        return
    last = max(wanted)
    for lease in video_frames(path, format_of, shown=wanted.__contains__):
        yield lease
        if lease.meta.frame == last:
            return
    raise VideoReadError(f"{path}: ends before frame {last}")


def _decoded(path: Path) -> Iterator[tuple[av.VideoFrame, int]]:
    """Yield frames and their times in µs."""
    try:
        with av.open(f"file:{path.absolute()}", options=OPEN_OPTIONS) as container:
            if not container.streams.video:
                raise VideoReadError(f"{path}: holds no video")
            stream = container.streams.video[0]
            stream.thread_type = ThreadType.NONE
            for frame in container.decode(stream):
                # AVI has no presentation times; the decoding time is used instead.
                time = frame.pts if frame.pts is not None else frame.dts
                if time is None or frame.time_base is None:
                    raise VideoReadError(f"{path}: a frame has no time")
                yield frame, round(time * frame.time_base * 1_000_000)
    except VideoReadError:
        raise
    except Exception as error:  # damaged files also raise IndexError, AttributeError, … in the bindings
        reason = getattr(error, "strerror", None) or error
        raise VideoReadError(f"{path}: can't be read: {reason}") from error
