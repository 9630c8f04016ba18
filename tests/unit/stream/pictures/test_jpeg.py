"""JPEGs of ring slots: content and size."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image

from benchmarks.cameras import barcode
from ring_buffers.frames import Colours, SlotFormat
from ring_buffers.slot_writers import frame_colours, picture_writer
from stream.pictures.jpeg import WIDTHS, JpegMaker, SlotCopy, rounded_width


def gradient(width: int, height: int) -> np.ndarray:
    """Return a picture, uint8 [height, width, 3]: red increases to the right, green downwards."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(30, 220, width)
    picture[..., 1] = np.linspace(30, 220, height)[:, None]
    picture[..., 2] = 90
    return picture


def slot(format: SlotFormat, rgb: np.ndarray) -> np.ndarray:
    """Return a slot, filled as by a camera's thread."""
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU709" if format.colours.matrix == "bt709" else "ITU601"
    )
    frame.colorspace = 1 if format.colours.matrix == "bt709" else 5
    assert format.pixels == "rgb24" or frame_colours(frame) == format.colours
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, picture)
    return picture


def shown(jpeg: bytes) -> np.ndarray:
    """Return the picture as a browser shows it, uint8 [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


@pytest.mark.parametrize(
    "format",
    [
        SlotFormat("planes", (320, 192), (320, 192)),
        SlotFormat("planes", (320, 192), (320, 192), colours=Colours("bt709")),
        SlotFormat("planes", (333, 251), (333, 251)),
        SlotFormat("rgb24", (320, 224), (320, 192)),
        SlotFormat("rgb24", (352, 192), (300, 192)),
    ],
    ids=["planes", "bt709", "odd", "filled up below", "filled up on the right"],
)
def test_a_slot_of_any_format_keeps_its_colours_and_loses_its_padding(format: SlotFormat) -> None:
    content = format.content
    copy = SlotCopy(format, slot(format, gradient(*content)))
    picture = shown(JpegMaker().make(copy, 160))
    assert picture.shape == (round(160 * content[1] / content[0]) // 2 * 2, 160, 3)
    expected = gradient(160, picture.shape[0])
    assert np.abs(picture.astype(int) - expected)[2:-2, 2:-2].max() <= 12
    assert np.abs(picture.astype(int) - expected).mean() <= 3


def test_a_picture_is_reduced_but_never_enlarged_and_stays_readable() -> None:
    format = SlotFormat("planes", (640, 360), (640, 360))
    picture = np.full(format.shape, 128, np.uint8)
    barcode.draw(picture[: 640 * 360].reshape(360, 640), 4711)
    copy, maker = SlotCopy(format, picture), JpegMaker()
    for wanted, width in ((160, 160), (320, 320), (640, 640), (1920, 640)):
        seen = shown(maker.make(copy, wanted))
        assert seen.shape[1] == width
        assert barcode.read(np.ascontiguousarray(seen[..., 1])) == 4711


@pytest.mark.parametrize("size", [(16, 2000), (3, 3), (1, 40)])
def test_odd_sizes_are_supported(size: tuple[int, int]) -> None:
    format = SlotFormat("rgb24", (32, 2016), size)
    copy = SlotCopy(format, np.zeros(format.shape, np.uint8))
    assert shown(JpegMaker().make(copy, 320)).size > 0


def test_widths_are_rounded_up_so_that_viewers_share_pictures() -> None:
    assert [rounded_width(wanted) for wanted in (1, 160, 161, 700, 1920, 9999)] == [160, 160, 240, 960, 1920, 1920]
    assert list(WIDTHS) == sorted(WIDTHS)
