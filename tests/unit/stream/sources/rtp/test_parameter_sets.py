"""Parameter sets are kept for a decoder, in the order that it needs; one replaces the earlier one of its number."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from stream.sources.rtp.packets import VideoCodec
from stream.sources.rtp.parameter_sets import MOST_NUMBER, ParameterSets
from support.rtp.nal_units import nal_units

FIRST, SECOND, OTHER = b"\x67\x64\x00\x1f\xacfirst", b"\x67\x64\x00\x1f\xacsecond", b"\x67\x64\x00\x1f\x4cother"
PICTURE = b"\x68\xeeone"


def test_a_set_replaces_the_earlier_one_of_its_kind_and_number() -> None:
    sets = ParameterSets("h264", [PICTURE, b"\0\0\0\1" + FIRST, b""])
    assert sets.complete
    assert nal_units(sets.annex_b) == [FIRST, PICTURE]
    sets.add(OTHER)
    assert nal_units(sets.annex_b) == [FIRST, OTHER, PICTURE]
    sets.add(SECOND)
    assert nal_units(sets.annex_b) == [SECOND, OTHER, PICTURE]
    assert sets.prefix_for([OTHER, SECOND, PICTURE]) == b""
    assert sets.prefix_for([FIRST, OTHER, PICTURE]) == sets.annex_b


@pytest.mark.parametrize(("codec", "encoder"), [("h264", "libx264"), ("h265", "libx265")])
def test_an_encoder_with_other_settings_replaces_every_set(codec: VideoCodec, encoder: str) -> None:
    sets = ParameterSets(codec)
    for rate, size in ((25, (64, 48)), (30, (96, 64))):
        own = [nal for nal in nal_units(_encoded(encoder, rate, size)) if _is_set(codec, nal)]
        for nal in own:
            sets.add(nal)
        assert nal_units(sets.annex_b) == own


def test_damaged_and_large_sets_are_ignored_and_ever_new_ones_take_little_memory() -> None:
    sets = ParameterSets("h264", [FIRST])
    for nal in (b"\x68\0\0", b"\x68", b"\x68\xee" + bytes(20_000), b"\x67\0\0\0"):
        sets.add(nal)
    assert nal_units(sets.annex_b) == [FIRST]
    for number in range(3 * MOST_NUMBER):
        sets.add(b"\x68" + ((number + 1) << 12).to_bytes(4, "big") + bytes([number % 200 + 1]))
    assert len(nal_units(sets.annex_b)) <= MOST_NUMBER + 2
    for number in range(1, MOST_NUMBER):
        sets.add(b"\x68" + ((number + 1) << 12).to_bytes(4, "big") + b"\1" * 4000)
    assert len(sets.annex_b) < 20_000


def _is_set(codec: VideoCodec, nal: bytes) -> bool:
    return nal[0] & 0x1F in (7, 8) if codec == "h264" else nal[0] >> 1 & 0x3F in (32, 33, 34)


def _encoded(encoder: str, rate: int, size: tuple[int, int]) -> bytes:
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, rate), Fraction(rate)
    frame = av.VideoFrame.from_ndarray(np.zeros((size[1] * 3 // 2, size[0]), np.uint8), "yuv420p")
    packets = [*context.encode(frame), *context.encode(None)]
    return b"".join(map(bytes, packets))
