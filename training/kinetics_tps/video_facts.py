"""Number and size of a video file's frames."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ring_buffers.slot_writers import shown_size
from training.kinetics_tps.data_errors import ErrorCode
from training.video.frames import OPEN_OPTIONS


class VideoFacts(NamedTuple):
    """Number of frames, and their width and height as shown."""

    frames: int
    width: int
    height: int


class VideoError(Exception):
    """The video cannot be used: `code`, and a message without its name."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def probe(path: Path) -> VideoFacts:
    """Open the video and decode its first frame.

    Frames are counted from the container's index, or by packets if there is none. A missing end is found, damage in the
    middle is not. Raises `VideoError`.
    """
    try:
        with av.open(f"file:{path.absolute()}", options=OPEN_OPTIONS) as container:
            if not container.streams.video:
                raise VideoError(ErrorCode.UNREADABLE_VIDEO, "holds no video")
            return _facts(container, container.streams.video[0])
    except FileNotFoundError:
        raise VideoError(ErrorCode.UNREADABLE_VIDEO, "is missing") from None
    except VideoError:
        raise
    except Exception as error:  # damaged files also raise IndexError, AttributeError, … in the bindings
        reason = (getattr(error, "strerror", None) or str(error)).strip().lower()
        raise VideoError(ErrorCode.UNREADABLE_VIDEO, f"can't be opened or decoded: {reason}") from None


def _facts(container: InputContainer, stream: VideoStream) -> VideoFacts:
    end = max((entry.pos + entry.size for entry in list(stream.index_entries)[-1:]), default=0)
    frames = stream.frames
    if end > container.size > 0:
        raise VideoError(
            ErrorCode.TRUNCATED_VIDEO, f"has {container.size} bytes, and its last frame would end at {end}"
        )
    if stream.codec_context is None:
        raise VideoError(ErrorCode.UNREADABLE_VIDEO, "has a codec that can't be decoded")
    stream.codec_context.thread_count = 1  # One frame is not worth starting threads for.
    picture = next(container.decode(stream), None)
    if picture is None:
        raise VideoError(ErrorCode.UNREADABLE_VIDEO, "holds no frame")
    if frames < 1:
        container.seek(0)
        frames = sum(packet.size > 0 for packet in container.demux(stream))
    return VideoFacts(frames, *shown_size(picture))
