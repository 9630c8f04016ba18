"""Parameter sets are read as by FFmpeg."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.rtp.codecs import h264_syntax, h265_syntax
from stream.sources.rtp.codecs.bits import BitReader, MalformedError
from stream.sources.rtp.codecs.parameter_sets import ParameterSets
from support.examples import examples
from support.rtp.bit_writer import BitWriter, bits_of
from support.rtp.coded_pictures import TICKS, Decoding, encode
from support.rtp.nal_units import Codec, annex_b, is_slice, nal_type, nal_units
from support.rtp.rtp_streams import X264, X265, stream

H264: list[tuple[tuple[int, int], str, dict[str, str]]] = [
    ((128, 96), "yuv420p", {"profile": "baseline"}),
    ((128, 96), "yuv420p", {"profile": "main", "preset": "medium"}),
    ((130, 70), "yuv420p", {"preset": "medium", X264: "bframes=3:b-pyramid=normal:level=4.1"}),
    ((1920, 1080), "yuv420p", {}),
    ((128, 96), "yuv420p", {X264: "fullrange=on:colormatrix=bt709:videoformat=pal"}),
    ((128, 96), "yuvj420p", {}),
    ((128, 96), "yuvj422p", {}),
    ((128, 96), "yuvj444p", {}),
    ((66, 50), "yuv422p", {}),
    ((66, 50), "yuv444p", {}),
    ((66, 50), "yuv420p10le", {}),
    ((66, 50), "yuv422p10le", {"preset": "medium"}),
    ((66, 50), "yuv444p10le", {}),
    ((128, 96), "yuv420p10le", {X264: "fullrange=on"}),
    ((128, 96), "gray", {}),
    ((128, 96), "gray10le", {}),
    ((128, 96), "yuv420p", {X264: "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:bframes=2:sar=40/33:overscan=show"}),
    ((128, 96), "yuv420p", {"preset": "medium", X264: "cqm=jvt:bframes=1:8x8dct=1"}),
    ((128, 96), "yuv420p", {X264: "keyint=1"}),
    ((128, 96), "yuv420p10le", {X264: "keyint=1:avcintra-class=0"}),
]
H265: list[tuple[tuple[int, int], str, dict[str, str]]] = [
    ((128, 96), "yuv420p", {}),
    ((130, 70), "yuv420p", {X265: "bframes=0:level-idc=41"}),
    ((1920, 1080), "yuv420p", {}),
    ((128, 96), "yuv420p", {X265: "range=full:colormatrix=bt709:videoformat=pal:sar=2:overscan=show"}),
    ((128, 96), "yuvj420p", {}),
    ((128, 96), "yuvj422p", {}),
    ((128, 96), "yuvj444p", {}),
    ((66, 50), "yuv422p", {}),
    ((66, 50), "yuv444p", {}),
    ((66, 50), "yuv420p10le", {}),
    ((66, 50), "yuv422p10le", {}),
    ((66, 50), "yuv444p12le", {}),
    ((66, 50), "gray", {}),
    ((66, 50), "gray10le", {}),
    ((66, 50), "gbrp", {}),
    ((66, 50), "gbrp10le", {}),
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
    count = 1 if size[0] > 1000 else 12
    coded = encode(codec, count, size, options, pixel_format)
    nals = coded[0].nals
    video = ParameterSets(codec, [nal for nal in nals if not is_slice(codec, nal)]).video(
        next(nal for nal in nals if is_slice(codec, nal))
    )
    assert video is not None
    decoding = Decoding(codec)
    given: list[int] = []
    for picture in coded:
        decoding.add(picture.data, picture.timestamp)
        given.append(len(decoding.pictures))
    context = decoding.context
    assert (video.width, video.height, video.pixel_format) == (context.width, context.height, context.pix_fmt)
    if count > 1:
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
    assert (whole.video.width, whole.video.height, whole.frames_only) == (160, 192, False)
    _, cropped = h264_syntax.sequence_parameters(h264_sequence(frames_only=False, crop=(1, 2, 0, 3)))
    assert (cropped.video.width, cropped.video.height) == (160 - 6, 192 - 12)
    _, progressive = h264_syntax.sequence_parameters(h264_sequence(crop=(0, 0, 1, 3)))
    assert (progressive.video.width, progressive.video.height) == (160, 96 - 8)


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
    assert h264_syntax.sequence_parameters(sequence)[1].video.reorder == reorder


def test_a_truncated_vui_is_read_as_far_as_it_goes() -> None:
    usability = BitWriter().flags(0, 0, 1).fixed(5, 3).flags(1)
    video = h264_syntax.sequence_parameters(h264_sequence(usability=usability))[1].video
    assert (video.pixel_format, video.reorder) == ("yuvj420p", None)


reference_sets = st.lists(
    st.one_of(
        st.tuples(st.lists(st.integers(0, 3), max_size=3), st.lists(st.integers(0, 3), max_size=3)),
        st.tuples(
            st.booleans(), st.integers(0, 2), st.lists(st.sampled_from(["1", "01", "00"]), min_size=16, max_size=16)
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=examples(25))
@given(reference_sets)
def test_reference_picture_sets_are_skipped_as_in_ffmpeg(
    sets: list[tuple[list[int], list[int]] | tuple[bool, int, list[str]]],
) -> None:
    """One IDR picture does not use them, so they can be inserted into a real SPS, before the colour range."""
    bits = BitWriter()
    before: list[int] = []
    for index, one in enumerate(sets):
        if index:
            bits.flags(len(one) == 3)
        if len(one) == 3:
            if not index:
                bits.unsigned(0, 0)
                continue
            backwards, step, uses = one
            bits.flags(backwards).unsigned(step)
            moved = [picture + (-1 - step if backwards else 1 + step) for picture in [*before, 0]]
            # The picture itself is never one of those that it refers to.
            uses = [use if picture else "00" for use, picture in zip(uses, moved)]
            bits.bits += "".join(uses)
            kept = [picture for picture, use in zip(moved, uses) if use != "00"]
            before = sorted((at for at in kept if at < 0), reverse=True) + sorted(at for at in kept if at > 0)
        else:
            earlier, later = one
            bits.unsigned(len(earlier), len(later))
            before = []
            for sign, steps in ((-1, earlier), (1, later)):
                at = 0
                for step in steps:
                    at += sign * (step + 1)
                    before.append(at)
                    bits.unsigned(step).flags(True)
    nals = full_range_keyframe()
    number = next(index for index, nal in enumerate(nals) if nal_type("h265", nal) == h265_syntax.SEQUENCE)
    whole = bits_of(nals[number][2:].replace(b"\0\0\3", b"\0\0"))
    at = len(whole) - bits_left_at_reference_sets(nals[number])
    assert whole[at] == "1"  # none
    changed = whole[:at] + BitWriter().unsigned(len(sets)).bits + bits.bits + whole[at + 1 :].rstrip("0")[:-1]
    nals[number] = BitWriter(changed).nal(nals[number][:2])
    decoding = Decoding("h265")
    decoding.add(annex_b(nals), 0)
    decoding.drain()
    video = h265_syntax.sequence_parameters(nals[number])[1].video
    assert video.pixel_format == decoding.context.pix_fmt == "yuvj420p"


@functools.cache
def _full_range_keyframe() -> tuple[bytes, ...]:
    return tuple(encode("h265", 1, (64, 64), {X265: "range=full"})[0].nals)


def full_range_keyframe() -> list[bytes]:
    return list(_full_range_keyframe())


def bits_left_at_reference_sets(nal: bytes) -> int:
    """Return the number of bits of an SPS from its reference picture sets on."""
    left: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h265_syntax, "_skip_reference_sets", lambda bits: left.append(bits._left))
        h265_syntax.sequence_parameters(nal)
    return left[0]


@pytest.mark.parametrize(
    "name", ["h264 baseline", "h264 slices", "h264 B pictures", "h264 B pyramid", "h264 intra refresh"]
)
def test_frame_numbers_count_reference_frames_since_the_last_idr_picture(name: str) -> None:
    codec, coded = stream(name)
    number = 0
    _, sequence = h264_syntax.sequence_parameters(coded[0].nals[coded[0].nals[0][0] & 0x1F == 9])  # behind a delimiter
    for picture in coded:
        if picture.keyframe and any(nal_type(codec, nal) == h264_syntax.INTRA for nal in picture.nals):
            number = 0
        headers = {h264_syntax.slice_header(nal, sequence).frame_number for nal in picture.nals if is_slice(codec, nal)}
        assert headers == {number % (1 << sequence.frame_number_bits)}
        number += picture.nals[-1][0] & h264_syntax.REFERENCE != 0


@pytest.mark.parametrize("name", ["h265", "h265 slices", "h265 B pictures", "h265 open GOP"])
def test_order_counts_are_the_order_of_presentation(name: str) -> None:
    codec, coded = stream(name)
    sets = ParameterSets(codec, [nal for nal in coded[0].nals if not is_slice(codec, nal)])
    base = 0
    for picture in coded:
        first = next(nal for nal in picture.nals if is_slice(codec, nal))
        if nal_type(codec, first) in (h265_syntax.IDR_W_RADL, h265_syntax.IDR_N_LP):
            base = picture.timestamp // TICKS
        found = sets.of(first)
        assert found is not None
        of_picture, sequence = found
        assert isinstance(of_picture, h265_syntax.PictureParameters)
        assert isinstance(sequence, h265_syntax.SequenceParameters)
        header = h265_syntax.slice_header(first, of_picture, sequence)
        assert header.order_lsb == (picture.timestamp // TICKS - base) % (1 << sequence.order_bits)


@given(st.lists(st.one_of(st.integers(0, 2**31 - 2).map(abs), st.integers(-(2**29), -1)), max_size=20))
def test_codes_are_read_as_written_with_emulation_prevention(values: list[int]) -> None:
    writer = BitWriter()
    for value in values:
        if value < 0:
            writer.signed(value)
        else:
            writer.unsigned(value)
    bits = BitReader(writer.nal(b""))
    assert [bits.signed() if value < 0 else bits.unsigned() for value in values] == values
    assert bits.flag()


@given(st.binary(max_size=60))
def test_any_bytes_as_a_parameter_set_give_parameters_or_none(raw: bytes) -> None:
    for codec, headers in (("h264", (b"\x67", b"\x68")), ("h265", (b"\x40\x01", b"\x42\x01", b"\x44\x01"))):
        assert codec in ("h264", "h265")
        sets = ParameterSets(codec, [header + raw for header in headers])
        video = sets.video()
        assert video is None or (video.width > 0 and video.height > 0)


def test_a_code_that_is_too_long_and_bits_that_end_are_malformed() -> None:
    with pytest.raises(MalformedError):
        BitReader(b"\0\0\0\0\1\0").unsigned()
    with pytest.raises(MalformedError):
        BitReader(b"\x80").bits(9)
    with pytest.raises(MalformedError):
        BitReader(b"").unsigned()


def test_the_latest_of_each_number_is_kept_in_the_order_that_decoders_need() -> None:
    first, second = h264_sequence(), h264_sequence(frames_only=False)
    picture = BitWriter().unsigned(0, 0).flags(0, 0).nal(b"\x68")
    sets = ParameterSets("h264", [picture, b"\0\0\0\1" + first, b""])
    assert nal_units(sets.annex_b) == [first, picture]
    sets.add(second)
    assert nal_units(sets.annex_b) == [second, picture]
    assert sets.prefix_for([picture, second]) == b""
    assert sets.prefix_for([picture]) == sets.annex_b
    video = sets.video()
    assert video is not None and video.height == 192
