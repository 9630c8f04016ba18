"""Parameter sets are read as by FFmpeg."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.rtp.codecs import h264_syntax
from stream.sources.rtp.codecs.parameter_sets import ParameterSets
from support.rtp.bit_writer import BitWriter
from support.rtp.coded_pictures import Decoding, encode
from support.rtp.nal_units import Codec, is_slice, nal_units
from support.rtp.rtp_streams import X264, X265

H264: list[tuple[tuple[int, int], str, dict[str, str]]] = [
    ((128, 96), "yuv420p", {"profile": "baseline"}),
    ((130, 70), "yuv420p", {"preset": "medium", X264: "bframes=3:b-pyramid=normal:level=4.1"}),
    ((128, 96), "yuvj420p", {}),
    ((66, 50), "yuv444p", {}),
    ((66, 50), "yuv422p10le", {"preset": "medium"}),
    ((128, 96), "gray", {}),
    ((128, 96), "yuv420p", {X264: "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:bframes=2:sar=40/33:overscan=show"}),
    ((128, 96), "yuv420p", {"preset": "medium", X264: "cqm=jvt:bframes=1:8x8dct=1"}),
]
H265: list[tuple[tuple[int, int], str, dict[str, str]]] = [
    ((130, 70), "yuv420p", {X265: "bframes=0:level-idc=41"}),
    ((66, 50), "yuv444p", {}),
    ((66, 50), "yuv422p10le", {}),
    ((66, 50), "gray", {}),
    ((128, 96), "yuv420p", {"preset": "medium", X265: "scaling-list=default:bframes=4:temporal-layers=3:hrd=1"}),
    ((128, 96), "yuv420p", {"preset": "slow", X265: "bframes=8:ref=5:vbv-maxrate=500:vbv-bufsize=500:aud=1"}),
]


@pytest.mark.parametrize(
    ("codec", "size", "pixel_format", "options"),
    [("h264", *case) for case in H264] + [("h265", *case) for case in H265],
)
def test_size_pixel_format_and_reordering_match_ffmpeg(
    codec: Codec, size: tuple[int, int], pixel_format: str, options: dict[str, str]
) -> None:
    coded = encode(codec, 12, size, options, pixel_format)
    video = ParameterSets(codec, [nal for nal in coded[0].nals if not is_slice(codec, nal)]).video
    assert video is not None
    decoding = Decoding(codec)
    given: list[int] = []
    for picture in coded:
        decoding.add(picture.data, picture.timestamp)
        given.append(len(decoding.pictures))
    context = decoding.context
    assert (video.width, video.height, video.pixel_format) == (context.width, context.height, context.pix_fmt)
    assert video.reorder == given.count(0)
    decoding.drain()


def h264_sequence(
    *,
    profile: int = 100,
    constraints: int = 0,
    order_type: int = 0,
    frames_only: bool = True,
    crop: tuple[int, int, int, int] | None = None,
    usability: BitWriter | None = None,
    gaps: bool = False,
) -> bytes:
    """Return an SPS of 10 by 6 macroblocks, or by 6 pairs of macroblocks."""
    bits = BitWriter().fixed(profile, 8).fixed(constraints, 8).fixed(31, 8).unsigned(0)
    if profile == 100:
        bits.unsigned(1, 0, 0).flags(False, True)
        for size in (*(16,) * 6, 64, 64):  # scaling lists: one written out, one that ends at once, the others not there
            bits.flags(size == 16)
            if size == 16:
                bits.signed(*(1, -1) * 8)
    bits.unsigned(0, order_type)
    if order_type == 0:
        bits.unsigned(2)
    elif order_type == 1:
        bits.flags(False).signed(-3, 4).unsigned(2).signed(5, -5)
    bits.unsigned(4).flags(gaps).unsigned(9, 5).flags(frames_only)
    if not frames_only:
        bits.flags(True)
    bits.flags(True, crop is not None)
    if crop is not None:
        bits.unsigned(*crop)
    bits.flags(usability is not None)
    return (bits if usability is None else BitWriter(bits.bits + usability.bits)).nal(b"\x67")


def test_of_interlaced_video_two_rows_of_macroblocks_are_counted_once_and_cropping_counts_in_pairs_of_lines() -> None:
    _, whole = h264_syntax.sequence_parameters(h264_sequence(frames_only=False))
    assert (whole.width, whole.height, whole.frames_only) == (160, 192, False)
    _, cropped = h264_syntax.sequence_parameters(h264_sequence(frames_only=False, crop=(1, 2, 0, 3)))
    assert (cropped.width, cropped.height) == (160 - 6, 192 - 12)
    _, progressive = h264_syntax.sequence_parameters(h264_sequence(crop=(0, 0, 1, 3)))
    assert (progressive.width, progressive.height) == (160, 96 - 8)


@pytest.mark.parametrize(
    ("sequence", "reorder"),
    [
        (h264_sequence(), None),
        (h264_sequence(profile=66), 0),
        (h264_sequence(profile=77), None),
        (h264_sequence(profile=77, order_type=1), None),
        (h264_sequence(profile=77, order_type=2), 0),
        (h264_sequence(profile=100, constraints=0x10), 0),
        (h264_sequence(usability=BitWriter().flags(0, 0, 0, 0, 0, 0, 0, 0, 1, 1).unsigned(0, 0, 9, 9, 3, 4)), 3),
        (h264_sequence(usability=BitWriter().flags(0, 0, 0, 0, 0, 0, 0, 0, 1, 1).unsigned(0, 0, 9, 9, 17, 4)), None),
        (h264_sequence(profile=66, usability=BitWriter().flags(0, 0, 1)), 0),
        (h264_sequence(usability=BitWriter().flags(0, 0, 0, 0, 1)), None),
    ],
)
def test_reordering_comes_from_the_vui_or_from_profile_and_order_type(sequence: bytes, reorder: int | None) -> None:
    assert h264_syntax.sequence_parameters(sequence)[1].reorder == reorder


@given(st.binary(max_size=60))
def test_any_bytes_as_a_parameter_set_give_parameters_or_none(raw: bytes) -> None:
    for codec, headers in (("h264", (b"\x67", b"\x68")), ("h265", (b"\x40\x01", b"\x42\x01", b"\x44\x01"))):
        assert codec in ("h264", "h265")
        sets = ParameterSets(codec, [header + raw for header in headers])
        video = sets.video
        assert video is None or (video.width > 0 and video.height > 0)


def test_the_latest_of_each_number_is_kept_in_the_order_that_decoders_need() -> None:
    first, second = h264_sequence(), h264_sequence(frames_only=False)
    picture = BitWriter().unsigned(0, 0).flags(0, 0).nal(b"\x68")
    sets = ParameterSets("h264", [picture, b"\0\0\0\1" + first, b""])
    assert nal_units(sets.annex_b) == [first, picture]
    sets.add(second)
    assert nal_units(sets.annex_b) == [second, picture]
    assert sets.prefix_for([picture, second]) == b""
    assert sets.prefix_for([picture]) == sets.annex_b
    video = sets.video
    assert video is not None and video.height == 192
