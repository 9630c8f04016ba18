"""The format of the pictures that MoveNet reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.detection.movenet.movenet import slot_format


@pytest.mark.parametrize(
    ("source", "size", "content"),
    [
        ((768, 576), (768, 576), (768, 576)),
        ((1280, 720), (768, 448), (768, 432)),
        ((1080, 1920), (448, 768), (432, 768)),
        ((640, 480), (640, 480), (640, 480)),
        ((320, 240), (320, 256), (320, 240)),
        ((160, 120), (256, 192), (256, 192)),
    ],
)
def test_by_default_pictures_have_the_size_of_the_source_up_to_768(
    source: tuple[int, int], size: tuple[int, int], content: tuple[int, int]
) -> None:
    format = slot_format(source)
    assert (format.pixels, format.size, format.content) == ("rgb24", size, content)


def test_a_detector_size_limits_the_picture_and_keeps_its_aspect_ratio() -> None:
    format = slot_format((1920, 1080), (512, 512))
    assert format.content == (512, 288)
    assert format.size == (512, 288)
    assert slot_format((1080, 1920), (512, 512)).content == (288, 512)


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.none() | st.tuples(st.integers(1, 1500), st.integers(1, 1500)),
)
def test_slots_are_the_smallest_multiples_of_32_that_fit_the_content(
    source: tuple[int, int], detector: tuple[int, int] | None
) -> None:
    format = slot_format(source, detector)
    for side, content in zip(format.size, format.content, strict=True):
        assert side % 32 == 0
        assert 1 <= content <= side < content + 32
    if detector is not None:
        assert format.content[0] <= detector[0]
        assert format.content[1] <= detector[1]
    longer, shorter = max(format.content), min(format.content)
    assert abs(shorter - longer * min(source) / max(source)) <= 1, "the aspect ratio equals the source's, to the pixel"
