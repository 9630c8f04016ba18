"""Drawing results on the video that they belong to, as an MP4.

A result belongs to the picture with its `frame` number, counted from the first picture. A picture without a result
shows the nearest one, earlier or later, fainter the farther it is. Results are read one by one, so that a long
run does not fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ring_buffers.slot_writers import quarter_turns, shown_size
from stream import output_file
from stream.annotation.annotated_video import AnnotationError, VideoPictures, VideoWriter
from stream.annotation.overlay import OverlayPainter
from stream.pictures.drawing import INK, MUTED, PAPER, WARNING, Colour, font, relevance_colour, shortened, text_width
from stream.results import Frame, decode

CLOCKS = {"rtcp": "camera's clock", "arrival": "arrival time", "media": "media time"}
SHOWN_DISTANCE_S = 0.05
FARTHEST_S = 86_400.0
"""Farther from a picture, a result says nothing about the picture's time."""


class StatusStrip:
    """Draws strips of one width. `height` is an even number of pixels, as video requires."""

    def __init__(self, width: int) -> None:
        self.width = width
        scale = min(2.0, max(0.6, width / 1152))
        self.height = round(18 * scale) * 2
        self._size = round(14 * scale)
        self._pad = round(12 * scale)

    def draw(self, frame: Frame | None, picture_s: float, after_s: float = 0.0, *, drawn: bool = True) -> Image.Image:
        """Return the strip for one picture, RGB. `frame`: the nearest result, drawn or not.

        `after_s`: the time from the result's picture to this one, negative if the result is of a later picture.
        """
        strip = self._empty.copy()
        draw = ImageDraw.Draw(strip)
        room = self.width - self._legend_width() - 2 * self._pad
        at = float(self._pad)
        for text, colour in self._texts(frame, picture_s, after_s, drawn):
            width = text_width(text, self._size)
            if at + width > room:
                break
            draw.text((at, self.height / 2), text, colour, font(self._size), anchor="lm")
            at += width + 1.5 * self._pad
        return strip

    def _texts(
        self, frame: Frame | None, picture_s: float, after_s: float = 0.0, drawn: bool = True
    ) -> list[tuple[str, Colour]]:
        """Return the texts by importance; those that do not fit are left out from the end."""
        at = f"{int(picture_s // 60)}:{picture_s % 60:04.1f}"
        if frame is None:
            return [(at, PAPER), ("no result", MUTED)]
        texts = [(shortened(frame.camera), PAPER), (at, PAPER)]
        if not frame.model.trained:
            texts.append(("untrained model: labels are meaningless", WARNING))
        if abs(after_s) <= FARTHEST_S:
            captured = datetime.fromtimestamp(frame.capture_us / 1e6, UTC) + timedelta(seconds=after_s)
            texts.append(
                (f"{captured:%Y-%m-%d %H:%M:%S}.{captured.microsecond // 100_000} UTC, {CLOCKS[frame.clock]}", MUTED)
            )
        if frame.model.trained:
            texts.append((f"model {shortened(frame.model.profile)}", MUTED))
        if not drawn:
            texts.append(("not analysed", MUTED))
        elif abs(after_s) >= SHOWN_DISTANCE_S:
            order = "earlier" if after_s > 0 else "later"
            texts.append((f"result of {1000 * abs(after_s):.0f} ms {order}", MUTED))
        return texts

    def _legend_width(self) -> float:
        return (
            text_width("part's relevance  0", self._size) + self._ramp_width() + text_width("1", self._size) + self._pad
        )

    def _ramp_width(self) -> int:
        return 8 * self._size

    @cached_property
    def _empty(self) -> Image.Image:
        """The strip with only the legend."""
        strip = Image.new("RGB", (self.width, self.height), INK)
        draw = ImageDraw.Draw(strip)
        middle, ramp = self.height / 2, self._ramp_width()
        right = self.width - self._pad
        draw.text((right, middle), "1", MUTED, font(self._size), anchor="rm")
        start = right - text_width("1", self._size) - self._pad / 2 - ramp
        thick = self._size * 0.35
        for step in range(ramp):
            x = start + step
            draw.line((x, middle - thick, x, middle + thick), relevance_colour(round(step / (ramp - 1), 2)))
        draw.text((start - self._pad / 2, middle), "part's relevance  0", MUTED, font(self._size), anchor="rm")
        return strip


NARROW_WIDTH = 960
"""Pictures narrower than this are enlarged before drawing, so that text is readable."""

ENLARGED_WIDTH = 1152
GREATEST_WIDTH = 1920

FRESH_S = 0.1
"""Results up to this distance are drawn at full strength, so that nothing flickers at 5 analysed frames per second."""

FADED_S, LEAST_STRENGTH = 0.4, 0.35
"""Results farther away fade until this distance, to this strength."""

EXPIRED_S = 0.5
"""Results farther away than this are not drawn: people have moved on."""

ProgressCallback = Callable[[int, int], None]
"""Called with (pictures done, pictures in all); the total is an estimate if the video does not have it."""


@dataclass(frozen=True, slots=True)
class AnnotatedPictures:
    """The number of pictures written, and of those with a result of their own."""

    pictures: int
    with_result: int


def annotate_file(
    video: Path,
    results: Path,
    out: Path,
    console: Console | None = None,
    *,
    camera: str | None = None,
    detector: bool = False,
) -> AnnotatedPictures:
    """Draw the results that `run --results` wrote for one video. `camera` selects one if there are results of several.

    `detector`: also draw what the detector looked at. Shows progress on `console`. Raises `AnnotationError`.
    """
    frames = read_frames(results, _camera_of(results, camera))
    columns = (TextColumn("Drawing {task.fields[file]}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=console is None
    ) as progress:
        bar = progress.add_task("", file=out.name, total=None)
        return annotate(
            [(video, frames)],
            out,
            lambda done, total: progress.update(bar, completed=done, total=total),
            detector=detector,
            read=[results],
        )


def annotate(
    clips: Sequence[tuple[Path, Iterable[Frame]]],
    out: Path,
    progress: ProgressCallback | None = None,
    *,
    detector: bool = False,
    read: Sequence[Path] = (),
) -> AnnotatedPictures:
    """Draw each video's results on it, and write the videos one after the other into one MP4 (H.264, yuv420p).

    Only results of each video's first epoch are used, in the order of their frames. The first video sets the size;
    later videos are fitted into it. `detector`: also draw what the detector looked at. `out` is written
    atomically; it must be none of the videos, nor one of the files `read` that the results are from. Raises
    `AnnotationError`.
    """
    if not clips:
        raise AnnotationError("no video to annotate")
    try:
        with output_file.replacing(out, [*(video for video, _ in clips), *read]) as unfinished, ExitStack() as stack:
            videos = [stack.enter_context(VideoPictures(video)) for video, _ in clips]
            total = sum(len(pictures) for pictures in videos)
            drawing = _Drawing(unfinished, stack, detector)
            done = with_result = 0
            for (video, frames), pictures in zip(clips, videos, strict=True):
                before = done
                for had_result in drawing.clip(pictures, frames):
                    done += 1
                    with_result += had_result
                    if progress is not None:
                        progress(done, max(total, done))
                if done == before:
                    raise AnnotationError(f"{video}: contains no picture that can be decoded")
    except OSError as error:
        raise AnnotationError(f"{out}: can't be written: {error.strerror or error}") from None
    return AnnotatedPictures(done, with_result)


def read_frames(results: Path, camera: str | None = None) -> Iterator[Frame]:
    """Yield the frame results in a file of JSON lines, in order. A last line that was cut off is ignored.

    Raises `AnnotationError`, which names file and line.
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
    """Return the requested camera, or the only one in the results."""
    cameras = sorted({frame.camera for frame in read_frames(results)})
    if not cameras:
        raise AnnotationError(f"{results}: contains no results of frames")
    if wanted is not None and wanted not in cameras:
        raise AnnotationError(f"{results}: contains no results of camera {wanted}, only of {', '.join(cameras)}")
    if wanted is None and len(cameras) > 1:
        raise AnnotationError(f"{results}: contains several cameras ({', '.join(cameras)}): choose one with --camera")
    return wanted or cameras[0]


# -- the result for each picture, and its strength -------------------------------------------------------------------
class NearestResult:
    """Gives each picture the nearest result of the first epoch; reads one result ahead."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = _first_epoch(frames)
        self._earlier: Frame | None = None
        self._later = next(self._frames, None)

    def at(self, picture: int) -> Frame | None:
        """Return the result whose frame number is nearest to `picture`, the earlier of two at the same distance.

        Pictures must be requested in order.
        """
        while self._later is not None and self._later.frame <= picture:
            self._earlier, self._later = self._later, next(self._frames, None)
        neighbours = [frame for frame in (self._earlier, self._later) if frame is not None]
        return min(neighbours, key=lambda frame: abs(frame.frame - picture), default=None)


def _first_epoch(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the results of the first epoch whose frame numbers ascend."""
    last: Frame | None = None
    for frame in frames:
        if last is None or (frame.epoch == last.epoch and frame.frame > last.frame):
            last = frame
            yield frame


def strength(distance_s: float) -> float:
    """Return the strength at which a result this far from the picture is drawn: 1 if near, then less, then 0."""
    if distance_s <= FRESH_S:
        return 1.0
    if distance_s > EXPIRED_S:
        return 0.0
    share = min(1.0, (distance_s - FRESH_S) / (FADED_S - FRESH_S))
    return round(1.0 - share * (1.0 - LEAST_STRENGTH), 2)


def drawing_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a picture is drawn, in even numbers: narrow ones are enlarged 1.5 to 2 times, large ones
    reduced."""
    factor = 1.0
    if width < NARROW_WIDTH:
        factor = min(2.0, max(1.5, ENLARGED_WIDTH / width))
    elif width > GREATEST_WIDTH:
        factor = GREATEST_WIDTH / width
    return _even(width * factor, height * factor)


def fitted(width: int, height: int, into: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size with the same aspect ratio that fits, in even numbers."""
    factor = min(into[0] / width, into[1] / height)
    return _even(width * factor, height * factor)


def _even(width: float, height: float) -> tuple[int, int]:
    return max(2, round(width / 2) * 2), max(2, round(height / 2) * 2)


# -- pictures -----------------------------------------------------------------------------------------------------
class _Drawing:
    """The video being written; its size is that of the first picture."""

    def __init__(self, to: Path, stack: ExitStack, detector: bool) -> None:
        self._to, self._stack, self._detector = to, stack, detector
        self._area = (0, 0)
        self._writer: VideoWriter | None = None

    def clip(self, pictures: VideoPictures, frames: Iterable[Frame]) -> Iterator[bool]:
        """Draw the next video, and yield for each picture whether it has a result of its own."""
        nearest = NearestResult(frames)
        shown: Frame | None = None
        layer: _Layer | None = None
        painter: OverlayPainter | None = None
        starts_s = self._writer.end_s if self._writer is not None else 0.0
        for index, (picture, at_s) in enumerate(pictures):
            if self._writer is None:
                self._area = drawing_size(*shown_size(picture))
                self._strip = StatusStrip(self._area[0])
                whole = (self._area[0], self._area[1] + self._strip.height)
                self._writer = self._stack.enter_context(VideoWriter(self._to, whole, pictures.rate))
            size = fitted(*shown_size(picture), self._area)
            if painter is None or painter.size != size:
                painter, layer = OverlayPainter(size, self._detector), None
            result = nearest.at(index)
            after_s = (index - result.frame) / float(pictures.rate) if result is not None else 0.0
            drawn = strength(abs(after_s)) if result is not None else 0.0
            if result is not shown:
                shown, layer = result, None
            if result is not None and layer is None and drawn > 0:
                layer = _Layer(painter.paint(result))
            image = Image.fromarray(_turned(picture, size))
            if layer is not None:
                layer.draw_on(image, drawn)
            strip = self._strip.draw(result, at_s, after_s, drawn=drawn > 0)
            self._writer.write(self._composed(image, strip), starts_s + at_s, 1 / float(pictures.rate))
            yield result is not None and result.frame == index

    def _composed(self, image: Image.Image, strip: Image.Image) -> Image.Image:
        """Return the picture in the middle of its area, with the strip below."""
        width, height = self._area
        whole = Image.new("RGB", (width, height + strip.height), INK)
        whole.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        whole.paste(strip, (0, height))
        return whole


def _turned(picture: VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture as displayed, rotated and scaled to (width, height): uint8 [H, W, 3]."""
    turns = quarter_turns(picture)
    width, height = size[::-1] if turns % 2 else size
    scaled = picture.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC")
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns), np.uint8)


class _Layer:
    """A drawn result, cropped to the area that it uses."""

    def __init__(self, drawn: Image.Image) -> None:
        self._area = drawn.getbbox()
        used = drawn.crop(self._area) if self._area is not None else drawn.crop((0, 0, 1, 1))
        self._colours, self._alpha = used.convert("RGB"), used.getchannel("A")
        self._faded = (1.0, self._alpha)

    def draw_on(self, image: Image.Image, strength: float) -> None:
        """Draw it on a picture; a strength below 1 makes it translucent."""
        if self._area is None or strength <= 0:
            return
        if self._faded[0] != strength:
            self._faded = (strength, self._alpha.point([round(value * strength) for value in range(256)]))
        image.paste(self._colours, self._area[:2], self._faded[1])
