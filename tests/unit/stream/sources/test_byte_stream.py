"""H.264 and H.265 in the format of clips."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.sources.byte_stream import START_CODE, ByteStream, MalformedError, parameter_sets

SPS, PPS, SLICE = b"\x67\x42\x00\x1e", b"\x68\xce", b"\x65\x88\x84"
AVCC = b"\x01\x42\x00\x1e\xff\xe1\x00\x04" + SPS + b"\x01\x00\x02" + PPS
VPS, HEVC_SPS, HEVC_PPS = b"\x40\x01", b"\x42\x01\x05", b"\x44\x01"
HVCC = (
    b"\x01"
    + bytes(20)
    + b"\xff\x03"
    + b"".join(bytes([kind, 0, 1, 0, len(unit)]) + unit for kind, unit in ((32, VPS), (33, HEVC_SPS), (34, HEVC_PPS)))
)


def with_length(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def with_start_codes(*units: bytes) -> bytes:
    return b"".join(START_CODE + unit for unit in units)


def test_length_prefixed_units_get_start_codes_and_the_first_one_the_file_s_parameter_sets() -> None:
    stream = ByteStream("h264", AVCC)
    assert stream.packet(with_length(SLICE, b"\x41")) == with_start_codes(SLICE, b"\x41")
    assert stream.first_packet(with_length(SLICE)) == with_start_codes(SPS, PPS, SLICE)
    hevc = ByteStream("hevc", HVCC)
    assert hevc.first_packet(with_length(b"\x26\x01")) == with_start_codes(VPS, HEVC_SPS, HEVC_PPS, b"\x26\x01")


def test_parameter_sets_in_the_stream_are_preferred_to_those_of_the_description() -> None:
    stream = ByteStream("h264", with_start_codes(b"\x67old", PPS))
    whole = with_start_codes(SPS, PPS, SLICE)
    assert stream.first_packet(whole) == whole
    assert parameter_sets("h264", whole) == [SPS]
    assert stream.first_packet(with_start_codes(SLICE)) == with_start_codes(b"\x67old", PPS, SLICE)


@given(st.sampled_from(["h264", "hevc", "mjpeg"]), st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_from_a_camera_make_any_other_error(codec: str, extradata: bytes, data: bytes) -> None:
    for record in (extradata, b"\x01" + extradata, AVCC):
        try:
            stream = ByteStream(codec, record)
            parameter_sets(codec, stream.first_packet(data))
        except MalformedError as error:
            assert str(error)
