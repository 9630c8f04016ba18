"""Scenes that cameras show in benchmarks, as clips that loop without a cut.

| Scene | Shows | Made from |
|---|---|---|
| `still` | an empty street and a sensor's noise | the median of the street footage |
| `street` | 2 to 8 people who walk and stand | opencv-doc's `vtest.avi` |
| `room` | one person who moves all the time | the Musical Gestures Toolbox's `dancer.avi`, or a video of one's own |

Footage is played in real time, forwards and then backwards, because a cut would make the engine look at a new scene
once in each loop. It keeps its shape: the rest of the picture is black. A clip is encoded once and kept in the user's
cache; cameras send it without encoding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from benchmarks.cameras.clip import Clip, from_frames, planes_of, yuv420p
from benchmarks.cameras.footage import street
from stages.third_party import weights

STILL, STREET, ROOM = "still", "street", "room"
SCENES = (STILL, STREET, ROOM)
VERSION = 1
"""Changed whenever a scene's pictures change, because clips are cached."""

FOOTAGE_S = 40.0
"""Longest stretch of footage in a clip, which lasts twice as long."""
STILL_S = 20.0
MEMORY_BYTES = 768 << 20
"""Longest stretch of large footage: its decoded pictures are in memory while it is encoded."""
BITS_PER_FRAME_720P = 120_000
"""3 Mbit/s at 25 frames per second, as cameras send at 720p. Other sizes get as many bits for a pixel."""
STILL_BITS = 2
"""Times as many for the still scene: about half of the noise remains between keyframes. With fewer, none does."""

BACKGROUND_EVERY = 15
"""Frames of the street footage from one picture of the median to the next: 53 pictures in all, and nobody stands at one
place in half of them."""
NOISE = 2.4
"""Standard deviation of the sensor's noise in levels of luma."""
NOISE_MARGIN = 64
BLACK, GREY = 16, 128


def scene_clip(
    scene: str, size: tuple[int, int], fps: int, room: Path | None = None, folder: Path | None = None
) -> Clip:
    """Return a scene's clip with pictures of `size` (even numbers of pixels) and `fps` frames per second.

    `room`: the video shown by the scene `room`. Raises `WeightsError` if footage is missing, with the command that
    fetches it, and ValueError for an odd size or, naming the file, for a video that cannot be read or is shorter than a
    second.
    """
    if size[0] % 2 or size[1] % 2:
        even = f"{size[0] // 2 * 2}x{size[1] // 2 * 2}"
        raise ValueError(f"{size[0]}x{size[1]}: H.264 needs even numbers of pixels; take {even}")
    video = video_of(scene, room)
    made = f"{VERSION} {scene} {video.stem} {video.stat().st_size} {size} {fps}"
    name = f"scene-{scene}-{size[0]}x{size[1]}-{fps}-{hashlib.sha256(made.encode()).hexdigest()[:12]}"
    bits_per_frame = BITS_PER_FRAME_720P * size[0] * size[1] // (1280 * 720) * (STILL_BITS if scene == STILL else 1)

    def frames() -> Iterable[av.VideoFrame]:
        if scene == STILL:
            return noisy(fitted(background(video), size), round(STILL_S * fps))
        return (fitted(frame, size) for frame in there_and_back(in_real_time(video, fps, FOOTAGE_S, size)))

    return from_frames(name, frames, size, fps, bits_per_frame * fps, folder)


def video_of(scene: str, room: Path | None = None) -> Path:
    """Return the video from which a scene is made; `room` replaces that of the scene `room`."""
    if scene == ROOM:
        return room or weights.locate("dancer") / "dancer.avi"
    return street()


def in_real_time(video: Path, fps: int, seconds: float, size: tuple[int, int]) -> list[av.VideoFrame]:
    """Return the frames that a camera of `fps` frames per second would show in the first `seconds` of a video.

    Where the video has fewer frames per second, frames are repeated. Pictures larger than they will be in `size` are
    scaled down. Raises ValueError for a video that cannot be read or is shorter than a second.
    """
    shown: list[av.VideoFrame] = []
    held_bytes = 0
    try:
        with av.open(str(video)) as container:
            coded = container.streams.video[0]
            step_s = 1 / float(coded.average_rate or coded.guessed_rate or 25)
            for number, frame in enumerate(container.decode(coded)):
                due = min(round((number + 1) * step_s * fps), round(seconds * fps)) - len(shown)
                if due <= 0:
                    continue
                width, height = content_size((frame.width, frame.height), size)
                smaller = width < frame.width
                kept = frame.reformat(width, height, "yuv420p") if smaller else frame.reformat(format="yuv420p")
                shown += [kept] * due
                held_bytes += kept.width * kept.height * 3 // 2
                if len(shown) >= round(seconds * fps) or held_bytes >= MEMORY_BYTES:
                    break
    except (FFmpegError, IndexError) as error:
        raise ValueError(f"{video}: not a video that can be read ({error})") from None
    if len(shown) < fps:
        raise ValueError(f"{video}: too short. A scene needs at least a second, and better {FOOTAGE_S:.0f}")
    return shown


def there_and_back(frames: Sequence[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Return the frames forwards and then backwards, so that the last one is next to the first one."""
    return chain(frames, reversed(frames[1:-1]))


def background(video: Path) -> av.VideoFrame:
    """Return what a video shows without what moves in it: the median of pictures from all of its length."""
    with av.open(str(video)) as container:
        frames = islice(container.decode(video=0), 0, None, BACKGROUND_EVERY)
        planes = [[plane.copy() for plane in planes_of(frame.reformat(format="yuv420p"))] for frame in frames]
    return yuv420p([np.median(np.stack(same), axis=0).astype(np.uint8) for same in zip(*planes, strict=True)])


def noisy(picture: av.VideoFrame, count: int) -> Iterator[av.VideoFrame]:
    """Yield the picture `count` times, each time with other noise in its luma."""
    random = np.random.default_rng(20261128)
    luma, *chroma = planes_of(picture)
    height, width = luma.shape
    field = random.normal(0.0, NOISE, (height + NOISE_MARGIN, width + NOISE_MARGIN)).astype(np.float32)
    for _ in range(count):
        top, left = random.integers(0, NOISE_MARGIN, 2)
        noise = field[top : top + height, left : left + width]
        yield yuv420p([np.clip(luma + noise, 16, 235).astype(np.uint8), *chroma])


def fitted(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """Return a yuv420p frame as large as fits into a picture of `size`, in its middle, with black around it."""
    scaled = frame.reformat(*content_size((frame.width, frame.height), size), "yuv420p")
    if (scaled.width, scaled.height) == size:
        return scaled
    whole = av.VideoFrame(*size, "yuv420p")
    for target, source, level in zip(planes_of(whole), planes_of(scaled), (BLACK, GREY, GREY), strict=True):
        target[:] = level
        top, left = ((outer - inner) // 2 for outer, inner in zip(target.shape, source.shape, strict=True))
        target[top : top + source.shape[0], left : left + source.shape[1]] = source
    return whole


def content_size(source: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the largest even size with the shape of `source` that fits into `size`."""
    scale = min(size[0] / source[0], size[1] / source[1])
    width, height = (
        max(2, min(outer, round(inner * scale) // 2 * 2)) for inner, outer in zip(source, size, strict=True)
    )
    return width, height
