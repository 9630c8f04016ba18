"""Clip that the benchmark's cameras send: H.264 as from a camera, with a barcode of its number in each frame.

Clips are generated once per recipe and kept in the user's cache. Pictures are drawn (a panned texture with a natural
spectrum, moving textured discs, sensor noise), so that all machines measure the same footage without a download. There
are no B-frames, one slice per picture, and one keyframe per second.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from benchmarks.cameras import barcode

SHARPNESS = 1.35
"""Exponent of the amplitude over spatial frequency. Keyframes become about ten times as large as P frames."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Size, rate and coding of the clip."""

    width: int = 1280
    height: int = 720
    fps: int = 25
    frames: int = 250
    bits_per_second: int = 3_000_000
    version: int = 1

    @property
    def key(self) -> str:
        """Name of the clip's files."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip on disk: `stream` contains the access units (Annex B), `index` their sizes as JSON.

    For a clip `from_frames`, only size, rates and length of `recipe` apply.
    """

    stream: Path
    index: Path
    recipe: Recipe


def cache_folder() -> Path:
    """Return the folder of clips and peers' environments: `$XDG_CACHE_HOME/partstream/benchmarks`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "partstream" / "benchmarks"


def prepared(recipe: Recipe | None = None, folder: Path | None = None) -> Clip:
    """Return the clip of `recipe`. Generating it takes a few seconds if it is not in the cache."""
    recipe = recipe or Recipe()
    folder = folder or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    clip = Clip(folder / f"clip-{recipe.key}.h264", folder / f"clip-{recipe.key}.json", recipe)
    if not (clip.stream.exists() and clip.index.exists()):
        _write(clip, (yuv420p(planes) for planes in pictures(recipe)))
    return clip


def from_frames(
    name: str,
    frames: Callable[[], Iterable[av.VideoFrame]],
    size: tuple[int, int],
    fps: int,
    bits_per_second: int,
    folder: Path | None = None,
) -> Clip:
    """Return the clip called `name`, without barcodes. It is made from `frames()` if it is not in the cache.

    Frames are yuv420p of `size`. The name must depend on everything that they and the rates depend on.
    """
    folder = folder or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    stream, index = folder / f"{name}.h264", folder / f"{name}.json"
    if stream.exists() and index.exists():
        content = json.loads(index.read_text())
        return Clip(stream, index, Recipe(**{field.name: content[field.name] for field in fields(Recipe)}))
    return _write(Clip(stream, index, Recipe(*size, fps, 0, bits_per_second)), frames())


def _write(clip: Clip, frames: Iterable[av.VideoFrame]) -> Clip:
    """Encode the clip, and return it with the number of its frames."""
    units = list(_encoded(clip.recipe, frames))
    recipe = replace(clip.recipe, frames=len(units))
    _write_whole(clip.stream, b"".join(units))
    index = {**asdict(recipe), "sizes": [len(unit) for unit in units]}
    _write_whole(clip.index, json.dumps(index).encode())
    return replace(clip, recipe=recipe)


def pictures(recipe: Recipe) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the Y, U and V planes (uint8) of each frame, with its barcode."""
    random = np.random.default_rng(20240607)
    margin = 96
    height, width = recipe.height, recipe.width
    scene = _texture(random, height + margin, width + margin, contrast=38.0)
    side = height // 4
    discs = [
        (_texture(random, side, side, contrast=50.0), random.uniform(0, 2 * np.pi, 2), random.uniform(0.5, 1.5, 2))
        for _ in range(4)
    ]
    from_centre = np.arange(side) - side / 2
    inside = from_centre[:, None] ** 2 + from_centre**2 < (0.47 * side) ** 2
    noise = random.normal(0.0, 2.4, (8, height, width)).astype(np.float32)
    for number in range(recipe.frames):
        turn = 2 * np.pi * number / recipe.frames
        down, right = int(margin / 2 * (1 + np.sin(turn))), int(margin / 2 * (1 + np.cos(turn)))
        luma = scene[down : down + height, right : right + width] + noise[number % len(noise)]
        for texture, phase, speed in discs:
            top = int((height - side) * (0.5 + 0.5 * np.sin(phase[0] + round(2 * speed[0]) * turn)))
            left = int((width - side) * (0.5 + 0.5 * np.sin(phase[1] + round(2 * speed[1]) * turn)))
            region = luma[top : top + side, left : left + side]
            region[inside] = texture[inside]
        y = np.clip(luma, 16, 235).astype(np.uint8)
        barcode.draw(y, number)
        u = np.clip(128 + (y[::2, ::2].astype(np.int16) - 126) // 4, 16, 240).astype(np.uint8)
        yield y, u, np.ascontiguousarray(255 - u)


def _texture(random: np.random.Generator, height: int, width: int, contrast: float) -> np.ndarray:
    """Return a picture with the approximate spectrum of a natural scene through a cheap lens; mean 126, float32."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    amplitude = np.maximum(np.hypot(fy, fx), 1.0 / max(height, width)) ** -SHARPNESS
    spectrum = amplitude * np.exp(2j * np.pi * random.random(amplitude.shape))
    picture = np.fft.irfft2(spectrum, s=(height, width))
    return (126 + contrast * picture / picture.std()).astype(np.float32)


def yuv420p(planes: Sequence[np.ndarray]) -> av.VideoFrame:
    """Return a frame with these Y, U and V planes, uint8 [height, width] and twice [height/2, width/2]."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, values in zip(planes_of(frame), planes, strict=True):
        plane[:] = values
    return frame


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """Return the Y, U and V planes of a yuv420p frame as views of its memory, uint8 [height, width]."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]  # pyright: ignore[reportArgumentType,reportCallIssue]
        for plane in frame.planes
    ]


def _encoded(recipe: Recipe, frames: Iterable[av.VideoFrame]) -> Iterator[bytes]:
    """Yield one access unit per frame, encoded as by a camera."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = recipe.width, recipe.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, recipe.fps), Fraction(recipe.fps)
    encoder.bit_rate = recipe.bits_per_second
    encoder.thread_count = 1
    encoder.options = {
        "preset": "veryfast",
        "profile": "main",
        "x264-params": f"keyint={recipe.fps}:min-keyint={recipe.fps}:scenecut=0:bframes=0:ref=1:slices=1:ipratio=1.2"
        f":vbv-maxrate={recipe.bits_per_second // 1000}:vbv-bufsize={recipe.bits_per_second // 1000}",
    }
    given = count = 0
    for number, frame in enumerate(frames):
        given += 1
        frame.pts, frame.time_base = number, encoder.time_base
        frame.pict_type = PictureType.NONE
        for packet in encoder.encode(frame):
            count += 1
            yield bytes(packet)
    for packet in encoder.encode(None):
        count += 1
        yield bytes(packet)
    if count != given:
        raise RuntimeError(f"the encoder returned {count} access units for {given} frames")


def _write_whole(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)
