"""What a video file is: how many frames of which size. Opens it, decodes one picture, and closes it again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ring_buffers.slot_writers import shown_size
from training.kinetics_tps.data_errors import FaultCode
from training.video.frames import OPEN_OPTIONS


class VideoFacts(NamedTuple):
    """Frames, and the picture's width and height as it is shown."""

    frames: int
    width: int
    height: int


class VideoError(Exception):
    """The video can't be used; `code` says what kind of fault it is, the message is a sentence without its name."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def probe(path: Path) -> VideoFacts:
    """Open the video and decode its first picture. Frames are those that its container lists; where it lists none,
    packets are counted. Damage in the middle isn't noticed, an end that was cut off is. Raises `VideoError`."""
    try:
        with av.open(f"file:{path.absolute()}", options=OPEN_OPTIONS) as container:
            if not container.streams.video:
                raise VideoError(FaultCode.UNREADABLE_VIDEO, "holds no video")
            return _facts(container, container.streams.video[0])
    except FileNotFoundError:
        raise VideoError(FaultCode.UNREADABLE_VIDEO, "is not there") from None
    except VideoError:
        raise
    except Exception as error:  # damaged files also bring out IndexError, AttributeError, … of the bindings
        reason = (getattr(error, "strerror", None) or str(error)).strip().lower()
        raise VideoError(FaultCode.UNREADABLE_VIDEO, f"can't be opened or decoded: {reason}") from None


def _facts(container: InputContainer, stream: VideoStream) -> VideoFacts:
    end = max((entry.pos + entry.size for entry in list(stream.index_entries)[-1:]), default=0)
    frames = stream.frames
    if end > container.size > 0:
        raise VideoError(
            FaultCode.TRUNCATED_VIDEO, f"has {container.size} bytes, and its last frame would end at {end}"
        )
    if stream.codec_context is None:
        raise VideoError(FaultCode.UNREADABLE_VIDEO, "is in a coding that can't be decoded")
    stream.codec_context.thread_count = 1  # one picture isn't worth starting threads for
    picture = next(container.decode(stream), None)
    if picture is None:
        raise VideoError(FaultCode.UNREADABLE_VIDEO, "holds no picture")
    if frames < 1:
        container.seek(0)
        frames = sum(packet.size > 0 for packet in container.demux(stream))
    return VideoFacts(frames, *shown_size(picture))
