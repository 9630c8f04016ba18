"""Tests of the scenes that benchmark cameras show."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.cameras.clip import planes_of, yuv420p
from benchmarks.cameras.scenes import (
    BLACK,
    NOISE,
    ROOM,
    background,
    content_size,
    fitted,
    in_real_time,
    noisy,
    scene_clip,
)


def grey(level: int, width: int = 64, height: int = 48) -> av.VideoFrame:
    """Return a uniform picture."""
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return yuv420p([np.full((height, width), level, np.uint8), chroma, chroma])


def video(path: Path, levels: list[int], rate: int) -> Path:
    """Write a video of uniform pictures, without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, level in enumerate(levels):
            frame = grey(level)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def level_of(frame: av.VideoFrame) -> int:
    """Return the luma in the middle."""
    luma = planes_of(frame)[0]
    return int(luma[luma.shape[0] // 2, luma.shape[1] // 2])


@pytest.mark.parametrize(
    ("fps", "levels"),
    [(5, [20, 22, 24, 26, 28]), (10, list(range(20, 30))), (20, [level for level in range(20, 30) for _ in (0, 1)])],
)
def test_footage_is_shown_in_real_time_at_any_rate(tmp_path: Path, fps: int, levels: list[int]) -> None:
    shown = in_real_time(video(tmp_path / "v.mkv", list(range(20, 60)), rate=10), fps, 1.0, (64, 48))
    assert [level_of(frame) // 2 for frame in shown] == [level // 2 for level in levels]


def test_a_video_that_is_none_or_too_short_is_an_error_with_its_name(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4: not a video that can be read"):
        in_real_time(text, 5, 1.0, (64, 48))
    with pytest.raises(ValueError, match=r"v\.mkv: too short"):
        in_real_time(video(tmp_path / "v.mkv", [20, 30, 40], rate=10), 5, 1.0, (64, 48))


@pytest.mark.parametrize(
    ("source", "size", "content"),
    [
        ((768, 576), (1280, 720), (960, 720)),
        ((1920, 1080), (640, 360), (640, 360)),
        ((1280, 540), (1280, 720), (1280, 540)),
    ],
)
def test_footage_keeps_its_shape(source: tuple[int, int], size: tuple[int, int], content: tuple[int, int]) -> None:
    assert content_size(source, size) == content


def test_a_picture_of_another_shape_is_in_the_middle_of_black() -> None:
    luma, u, v = planes_of(fitted(grey(200), (128, 48)))
    assert luma.shape == (48, 128) and u.shape == v.shape == (24, 64)
    assert (luma[:, :32] == BLACK).all() and (luma[:, 96:] == BLACK).all()
    assert (np.abs(luma[:, 34:94].astype(int) - 200) <= 2).all()


def test_noise_is_new_in_each_picture_and_leaves_the_mean() -> None:
    first, second = (planes_of(frame)[0].astype(float) for frame in noisy(grey(100, 320, 240), 2))
    assert np.std(first - second) == pytest.approx(NOISE * 2**0.5, rel=0.1)
    assert first.mean() == pytest.approx(100, abs=1)


def test_the_background_is_without_what_moves(tmp_path: Path) -> None:
    levels = [200 if number in (0, 15) else 60 for number in range(90)]
    assert level_of(background(video(tmp_path / "v.mkv", levels, rate=10))) == pytest.approx(60, abs=1)


def test_a_clip_is_made_once_for_each_size_rate_and_video(tmp_path: Path) -> None:
    room = video(tmp_path / "room.mkv", list(range(20, 60)), rate=10)
    cache = tmp_path / "cache"
    made = scene_clip(ROOM, (128, 96), 5, room, cache)
    assert (made.recipe.width, made.recipe.height, made.recipe.fps, made.recipe.frames) == (128, 96, 5, 38)
    assert len(made.stream.read_bytes()) > 0
    written = made.stream.stat().st_mtime_ns
    assert scene_clip(ROOM, (128, 96), 5, room, cache) == made
    assert made.stream.stat().st_mtime_ns == written
    assert scene_clip(ROOM, (128, 96), 10, room, cache).stream != made.stream
    other = video(tmp_path / "other.mkv", list(range(20, 50)), rate=10)
    assert scene_clip(ROOM, (128, 96), 5, other, cache).stream != made.stream
