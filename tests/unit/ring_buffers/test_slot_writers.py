from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from ring_buffers import slot_writers
from ring_buffers.frames import Colours, SlotFormat
from ring_buffers.slot_writers import frame_colours, picture_writer, quarter_turns, shown_size
from support.engines.film_models import make_film


def noise(width: int, height: int, format: str = "yuv420p") -> av.VideoFrame:
    rng = np.random.default_rng(width * height)
    frame = av.VideoFrame(width, height, format)
    for plane in frame.planes:
        plane.update(rng.integers(16, 236, plane.buffer_size, np.uint8).tobytes())
    return frame


def visible(frame: av.VideoFrame) -> np.ndarray:
    """Return the planes without padding, in order."""
    rows = [
        np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].ravel()
        for plane in frame.planes
    ]
    return np.concatenate(rows)


def grey(width: int, height: int, luma: int, format: str = "yuv420p", range_: int = 0) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, format)
    for number, plane in enumerate(frame.planes):
        plane.update(bytes([luma if number == 0 else 128]) * plane.buffer_size)
    if range_:
        frame.color_range = range_
    return frame


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (642, 362), (333, 251), (64, 48)])
def test_planes_are_copied_without_their_padding(size: tuple[int, int]) -> None:
    format = SlotFormat("planes", size, size)
    picture = np.zeros(format.shape, np.uint8)
    frame = noise(*size)
    picture_writer(format).write(frame, picture)
    assert np.array_equal(picture, visible(frame))


@pytest.mark.parametrize("format_name", ["yuvj420p", "yuvj422p", "yuv422p", "yuv444p", "nv12", "gray"])
def test_other_pixel_formats_become_planes_in_the_limited_range(format_name: str) -> None:
    full = format_name.startswith("yuvj") or format_name == "gray"
    format = SlotFormat("planes", (64, 48), (64, 48))
    picture = np.zeros(format.shape, np.uint8)
    white = grey(64, 48, 255 if full else 235, format_name, ColorRange.JPEG if full else 0)
    picture_writer(format).write(white, picture)
    assert np.all(np.abs(picture[: 64 * 48].astype(int) - 235) <= 1)
    assert np.all(np.abs(picture[64 * 48 :].astype(int) - 128) <= 1)


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p"])
def test_planes_of_slots_in_the_full_range_are_copied_as_they_are(name: str) -> None:
    frame = noise(64, 48, name)
    frame.color_range = ColorRange.JPEG
    frame.colorspace = Colorspace.ITU709
    assert frame_colours(frame) == Colours("bt709", full_range=True)
    format = SlotFormat("planes", (64, 48), (64, 48), colours=frame_colours(frame))
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, picture)
    assert np.array_equal(picture, visible(frame))


def test_deep_pictures_become_8_bit_planes() -> None:
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane in frame.planes:
        plane.update(np.full(plane.buffer_size // 2, 512, "<u2").tobytes())
    format = SlotFormat("planes", (64, 48), (64, 48))
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, picture)
    assert np.all(np.abs(picture.astype(int) - 128) <= 1)


def test_rgb_fills_the_top_left_at_the_content_size_and_leaves_the_rest_black() -> None:
    format = SlotFormat("rgb24", (256, 256), (256, 144))
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(grey(1280, 720, 235), picture)
    assert picture[:144].min() >= 250
    assert picture[144:].max() == 0


def test_rgb_shows_the_colours_and_places_of_the_picture() -> None:
    rgb = np.zeros((360, 640, 3), np.uint8)
    rgb[:180, :320] = (200, 30, 30)
    rgb[180:, 320:] = (30, 30, 200)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
    format = SlotFormat("rgb24", (160, 96), (160, 90))
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, picture)
    assert np.abs(picture[20, 40].astype(int) - (200, 30, 30)).max() <= 8
    assert np.abs(picture[70, 120].astype(int) - (30, 30, 200)).max() <= 8
    assert picture[70, 40].max() <= 8


def decoded(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize("content", [(120, 160), (60, 80), (240, 320)])
def test_a_picture_is_rotated_as_its_file_specifies(tmp_path: Path, content: tuple[int, int]) -> None:
    frame = decoded(make_film(tmp_path / "turned.mp4", 1, shown_turned=True))
    assert quarter_turns(frame) == 3 and shown_size(frame) == (120, 160)
    width, height = content
    rgb = SlotFormat("rgb24", (width + 8, height + 8), content)
    picture = np.zeros(rgb.shape, np.uint8)
    picture_writer(rgb).write(frame, picture)
    shown = picture[:height, :width].astype(int)
    assert shown[: height // 2 - 3].min() > 240 and shown[height // 2 + 3 :].max() < 15, "its left half is white"
    assert not picture[height:].any() and not picture[:, width:].any()

    planes = SlotFormat("planes", content, content)
    picture = np.zeros(planes.shape, np.uint8)
    picture_writer(planes).write(frame, picture)
    luma = picture[: width * height].reshape(height, width).astype(int)
    assert luma[: height // 2 - 3].min() > 225 and luma[height // 2 + 3 :].max() < 30
    assert np.abs(picture[width * height :].astype(int) - 128).max() <= 3


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_every_pixel_of_a_rotated_picture_is_in_its_place(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = noise(66, 48)
    width, height = (48, 66) if turns % 2 else (66, 48)
    monkeypatch.setattr(slot_writers, "quarter_turns", lambda frame: turns)
    format = SlotFormat("planes", (width, height), (width, height))
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, picture)
    luma, chroma = visible(frame)[: 66 * 48].reshape(48, 66), visible(frame)[66 * 48 :].reshape(2, 24, 33)
    expected = [np.rot90(luma, turns).ravel(), *(np.rot90(plane, turns).ravel() for plane in chroma)]
    assert np.array_equal(picture, np.concatenate(expected))
