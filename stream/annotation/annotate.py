"""Draws results on the video that they are about, and writes it as MP4.

A result belongs to the picture with its `frame` number, counted from the first picture. A picture without a result of
its own shows the latest earlier one, paler the older it is. Nothing here outlives a call; results are read as they are
needed, so that a long run doesn't fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ring_buffers.slot_writers import quarter_turns, shown_size
from stream.annotation.annotated_video import AnnotationError, Pictures, VideoWriter
from stream.annotation.overlay import OverlayPainter
from stream.annotation.picture_colours import INK
from stream.annotation.status_strip import StatusStrip
from stream.results import Frame, decode

NARROW = 960
"""Pictures narrower than this are enlarged before anything is drawn, so that text is readable."""

WIDE_ENOUGH = 1152
WIDEST = 1920

FRESH_S = 0.1
"""A result this old is shown as strongly as a new one: at 10 analysed frames a second nothing flickers."""

PALE_S, PALEST = 0.8, 0.35
"""From fresh on it pales until this age, to this strength."""

GONE_S = 1.5
"""A result older than this is no longer shown."""

ProgressCall = Callable[[int, int], None]
"""Told pictures done and in all (an estimate where a video doesn't say)."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: pictures in all, and how many of them had a result of their own."""

    pictures: int
    with_result: int


def annotate_file(
    video: Path, results: Path, out: Path, console: Console | None = None, *, camera: str | None = None
) -> Written:
    """Draw what `run --results` wrote for one video. With results of several cameras, `camera` says whose to draw.

    Shows progress on `console`. Raises `AnnotationError`.
    """
    frames = read_frames(results, _camera_of(results, camera))
    columns = (TextColumn("Drawing {task.fields[file]}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=console is None
    ) as progress:
        bar = progress.add_task("", file=out.name, total=None)
        return annotate([(video, frames)], out, lambda done, total: progress.update(bar, completed=done, total=total))


def annotate(clips: Sequence[tuple[Path, Iterable[Frame]]], out: Path, progress: ProgressCall | None = None) -> Written:
    """Draw each video's results on it and write the videos, one after the other, into one MP4 (H.264, yuv420p).

    Of each video's results those of its first epoch count, in the order of their frames. The first video sets the
    picture's size; later ones are fitted into it. `out` is there only once it is whole. Raises `AnnotationError`.
    """
    if not clips:
        raise AnnotationError("there is no video to draw on")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        with ExitStack() as stack:
            videos = [stack.enter_context(Pictures(video)) for video, _ in clips]
            total = sum(len(pictures) for pictures in videos)
            drawing = _Drawing(unfinished, stack)
            done = with_result = 0
            for (video, frames), pictures in zip(clips, videos, strict=True):
                before = done
                for had_result in drawing.clip(pictures, frames):
                    done += 1
                    with_result += had_result
                    if progress is not None:
                        progress(done, max(total, done))
                if done == before:
                    raise AnnotationError(f"{video}: holds no picture that can be decoded")
        unfinished.replace(out)
    except OSError as error:
        raise AnnotationError(f"{out}: can't be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return Written(done, with_result)


def read_frames(results: Path, camera: str | None = None) -> Iterator[Frame]:
    """The frame results in a file of JSON lines, in its order. A last line that was cut off in writing is left out.

    Raises `AnnotationError` naming file and line.
    """
    try:
        with results.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    message = decode(line)
                except msgspec.DecodeError as error:
                    if not line.endswith(b"\n"):
                        return
                    raise AnnotationError(f"{results}, line {number}: not a result of partstream: {error}") from None
                if isinstance(message, Frame) and camera in (None, message.camera):
                    yield message
    except OSError as error:
        raise AnnotationError(f"{results}: can't be read: {error.strerror}") from None


def _camera_of(results: Path, wanted: str | None) -> str:
    """The camera whose results to draw: the one asked for, or the only one there is."""
    cameras = sorted({frame.camera for frame in read_frames(results)})
    if not cameras:
        raise AnnotationError(f"{results}: holds no result of any frame")
    if wanted is not None and wanted not in cameras:
        raise AnnotationError(f"{results}: holds nothing of camera {wanted}, only of {', '.join(cameras)}")
    if wanted is None and len(cameras) > 1:
        raise AnnotationError(f"{results}: holds results of several cameras ({', '.join(cameras)}): say whose to draw")
    return wanted or cameras[0]


# -- which result belongs to which picture, and how it shows ------------------------------------------------------
class LatestResult:
    """Gives each picture the latest result up to it, reading ahead no further than one."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)
        self._latest: Frame | None = None
        self._next = next(self._frames, None)
        self._epoch = self._next.epoch if self._next is not None else 0

    def at(self, picture: int) -> Frame | None:
        """The result with the highest frame number that isn't above `picture`; pictures are asked for in order."""
        while self._next is not None and (self._next.epoch != self._epoch or self._next.frame <= picture):
            if self._next.epoch == self._epoch and (self._latest is None or self._next.frame > self._latest.frame):
                self._latest = self._next
            self._next = next(self._frames, None)
        return self._latest


def strength(age_s: float) -> float:
    """How strongly a result of this age is drawn: 1 when fresh, paler with age, 0 when it is too old to tell."""
    if age_s <= FRESH_S:
        return 1.0
    if age_s > GONE_S:
        return 0.0
    share = min(1.0, (age_s - FRESH_S) / (PALE_S - FRESH_S))
    return round(1.0 - share * (1.0 - PALEST), 2)


def drawing_size(width: int, height: int) -> tuple[int, int]:
    """The size in which a picture is drawn: narrow ones enlarged 1.5 to 2 times, huge ones reduced; even numbers."""
    factor = 1.0
    if width < NARROW:
        factor = min(2.0, max(1.5, WIDE_ENOUGH / width))
    elif width > WIDEST:
        factor = WIDEST / width
    return _even(width * factor, height * factor)


def fitted(width: int, height: int, into: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape that fits; even numbers."""
    factor = min(into[0] / width, into[1] / height)
    return _even(width * factor, height * factor)


def _even(width: float, height: float) -> tuple[int, int]:
    return max(2, round(width / 2) * 2), max(2, round(height / 2) * 2)


# -- pictures -----------------------------------------------------------------------------------------------------
class _Drawing:
    """The video being written; its size comes with the first picture."""

    def __init__(self, to: Path, stack: ExitStack) -> None:
        self._to, self._stack = to, stack
        self._area = (0, 0)
        self._writer: VideoWriter | None = None

    def clip(self, pictures: Pictures, frames: Iterable[Frame]) -> Iterator[bool]:
        """Draw one video after those before; yields for each picture whether it had a result of its own."""
        latest = LatestResult(frames)
        shown: Frame | None = None
        layer: _Layer | None = None
        painter: OverlayPainter | None = None
        shown_s = 0.0
        starts_s = self._writer.end_s if self._writer is not None else 0.0
        for index, (picture, at_s) in enumerate(pictures):
            if self._writer is None:
                self._area = drawing_size(*shown_size(picture))
                self._strip = StatusStrip(self._area[0])
                whole = (self._area[0], self._area[1] + self._strip.height)
                self._writer = self._stack.enter_context(VideoWriter(self._to, whole, pictures.rate))
            size = fitted(*shown_size(picture), self._area)
            if painter is None or painter.size != size:
                painter, layer = OverlayPainter(size), None
            result = latest.at(index)
            if result is not None and result is not shown:
                shown, shown_s, layer = result, at_s, None
            if shown is not None and layer is None:
                layer = _Layer(painter.paint(shown))
            image = Image.fromarray(_turned(picture, size))
            own = result is not None and result.frame == index
            if layer is not None:
                layer.onto(image, strength(at_s - shown_s))
            strip = self._strip.draw(shown, at_s, None if own else at_s - shown_s)
            self._writer.write(self._composed(image, strip), starts_s + at_s, 1 / float(pictures.rate))
            yield own

    def _composed(self, image: Image.Image, strip: Image.Image) -> Image.Image:
        """The picture in the middle of its area, with the strip below."""
        width, height = self._area
        whole = Image.new("RGB", (width, height + strip.height), INK)
        whole.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        whole.paste(strip, (0, height))
        return whole


def _turned(picture: VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture as it is shown, of that width and height: uint8 [H, W, 3]."""
    turns = quarter_turns(picture)
    width, height = size[::-1] if turns % 2 else size
    scaled = picture.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC")
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns), np.uint8)


class _Layer:
    """A drawn result, cut to the area that it uses, ready to be laid over pictures."""

    def __init__(self, drawn: Image.Image) -> None:
        self._area = drawn.getbbox()
        used = drawn.crop(self._area) if self._area is not None else drawn.crop((0, 0, 1, 1))
        self._colours, self._alpha = used.convert("RGB"), used.getchannel("A")
        self._faded = (1.0, self._alpha)

    def onto(self, image: Image.Image, strength: float) -> None:
        """Lay it over the picture; a strength below 1 lets the picture through."""
        if self._area is None or strength <= 0:
            return
        if self._faded[0] != strength:
            self._faded = (strength, self._alpha.point([round(value * strength) for value in range(256)]))
        image.paste(self._colours, self._area[:2], self._faded[1])
