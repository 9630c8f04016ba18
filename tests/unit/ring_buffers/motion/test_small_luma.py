from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ring_buffers.motion.motion_gate import CELL, MOST_CELLS, SmallLuma, grid_of
from support.luma_scenes import grey_frame, levels, street


def small(frame: av.VideoFrame) -> NDArray[np.float32]:
    """Return the small picture as rows of pixels."""
    columns, rows = grid_of(frame.width, frame.height)
    pixels = np.zeros((CELL * CELL, rows * columns), np.float32)
    SmallLuma().read(frame, (columns, rows), pixels)
    return pixels.reshape(CELL, CELL, rows, columns).transpose(2, 0, 3, 1).reshape(CELL * rows, CELL * columns)


def averages(luma: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the mean over the area of each pixel of a picture of this shape."""

    def shares(source: int, target: int) -> NDArray[np.float64]:
        edges, pixels = np.arange(target + 1) * (source / target), np.arange(source)
        covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        return covered.clip(0) * (target / source)

    return shares(luma.shape[0], shape[0]) @ luma @ shares(luma.shape[1], shape[1]).T


@pytest.mark.parametrize("size", [(320, 240), (641, 361), (639, 479), (360, 640), (200, 150), (162, 98)])
def test_pixels_are_averages_over_areas(size: tuple[int, int]) -> None:
    luma = levels(street(*size))
    pixels = small(grey_frame(luma, "gray"))
    assert np.abs(pixels - averages(luma, pixels.shape)).max() <= 2


FORMATS = (
    "gray", "yuv420p", "yuvj420p", "nv12", "nv21", "nv16", "yuv422p", "yuv444p", "yuv411p", "yuva420p", "yuyv422",
    "uyvy422", "yuv420p10le", "yuv422p10le", "p010le", "gray10le", "gray16le", "rgb24", "bgr24", "bgr0", "gbrp",
)  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_every_pixel_format_shows_the_same_picture(format: str) -> None:
    luma = levels(street(640, 362))
    expected = averages(luma, (23 * CELL, 40 * CELL)).ravel()
    pixels = small(grey_frame(luma, format)).ravel()
    gain, offset = np.polyfit(expected, pixels, 1)  # levels may be of limited range
    assert 0.8 < gain < 1.2
    assert np.abs(gain * expected + offset - pixels).max() <= 2


@pytest.mark.parametrize("format", ["gray", "yuv420p", "nv12", "yuv422p"])
@pytest.mark.parametrize("width", [322, 330, 641])
def test_padding_is_not_read(format: str, width: int) -> None:
    luma = levels(street(width, 242))
    pictures: list[NDArray[np.float32]] = []
    for padding in (0, 255):
        frame = av.VideoFrame(width, 242, format)
        plane = frame.planes[0]
        assert plane.line_size > width
        rows = np.full((plane.buffer_size // plane.line_size, plane.line_size), padding, np.uint8)
        rows[:242, :width] = luma
        plane.update(rows.tobytes())
        pictures.append(small(frame))
    assert np.array_equal(*pictures)


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_a_grid_has_nearly_square_cells_and_never_more_than_the_picture_has(width: int, height: int) -> None:
    columns, rows = grid_of(width, height)
    assert min(columns, rows) >= 1 and max(columns, rows) <= MOST_CELLS
    assert CELL * max(columns, rows) <= max(width, height, CELL)
    if min(columns, rows) >= 4:
        assert 0.85 <= (width / columns) / (height / rows) <= 1.18
