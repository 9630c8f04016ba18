"""Tests of the frame number in pictures, and of the clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cameras import barcode
from benchmarks.cameras.clip import Recipe, prepared


def blank(height: int = 720, width: int = 1280) -> np.ndarray:
    return np.random.default_rng(3).integers(16, 236, (height, width), dtype=np.uint8)


@given(st.integers(0, barcode.LIMIT - 1))
def test_every_number_is_read_back(number: int) -> None:
    luma = blank(45, 80)
    barcode.draw(luma, number)
    assert barcode.read(luma) == number


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (360, 640), (288, 512), (144, 256), (480, 854)])
def test_a_number_is_read_back_from_any_size_of_picture(height: int, width: int) -> None:
    luma = blank(height, width)
    barcode.draw(luma, 0xA5C3)
    assert barcode.read(luma) == 0xA5C3


@pytest.mark.parametrize("brightness", [0, 16, 128, 255])
def test_a_uniform_picture_has_no_number(brightness: int) -> None:
    assert barcode.read(np.full((720, 1280), brightness, np.uint8)) == barcode.UNREADABLE


@pytest.mark.parametrize("block", range(barcode.BLOCKS))
def test_one_damaged_block_makes_the_number_unreadable(block: int) -> None:
    luma = blank()
    barcode.draw(luma, 12345)
    region = luma[:32, block * 64 : (block + 1) * 64]
    region[:] = 251 - region
    assert barcode.read(luma) == barcode.UNREADABLE


def test_every_frame_of_an_encoded_clip_has_its_number_and_decodes_without_delay(tmp_path) -> None:
    import av

    recipe = Recipe(width=320, height=180, frames=60, bits_per_second=300_000)
    clip = prepared(recipe, tmp_path)
    decoder = av.CodecContext.create("h264", "r")
    decoder.flags |= av.codec.context.Flags.low_delay
    data, numbers = clip.stream.read_bytes(), []
    import json

    at = 0
    for size in json.loads(clip.index.read_text())["sizes"]:
        frames = decoder.decode(av.Packet(data[at : at + size]))
        at += size
        assert len(frames) == 1, "a frame was delayed: the clip has B-frames"
        numbers += [barcode.read(frame.to_ndarray(format="gray")) for frame in frames]
    assert at == len(data)
    assert numbers == list(range(recipe.frames))
