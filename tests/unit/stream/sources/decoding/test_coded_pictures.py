"""Sizes of pictures, read from encoded units before they are decoded."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, cast

import av
import pytest
from av.video.codeccontext import VideoCodecContext
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.decoding.coded_pictures import OTHER_PICTURES, CodedPicture, CodedPictures
from support.rtp.stream_corpus import corpus_stream


def encoded(
    codec: str, container: str, size: tuple[int, int], pixels: str = "yuv420p", **options: str
) -> tuple[VideoCodecContext, list[av.Packet]]:
    """Return a decoder for a stream of two pictures, and its packets."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = cast("av.VideoStream", file.add_stream(codec, rate=25, options=options))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for number in range(2):
            frame = av.VideoFrame(*size, pixels)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    out.seek(0)
    read = av.open(out, "r")
    return read.streams.video[0].codec_context, [packet for packet in read.demux(video=0) if packet.size]


X264: dict[str, str] = {"preset": "ultrafast", "x264-params": "ref=5:bframes=0:log-level=none"}
X265: dict[str, str] = {"preset": "ultrafast", "x265-params": "ref=3:bframes=0:log-level=none"}


@pytest.mark.parametrize(
    ("codec", "container", "options"),
    [
        ("libx264", "h264", X264),
        ("libx264", "mp4", X264),
        ("libx265", "hevc", X265),
        ("libx265", "mp4", X265),
        ("mjpeg", "mjpeg", {}),
        ("libvpx", "webm", {}),
    ],
)
def test_the_size_is_known_before_the_first_picture_is_decoded(
    codec: str, container: str, options: dict[str, str]
) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    decoder, packets = encoded(codec, container, (202, 106), pixels, **options)
    pictures = CodedPictures(decoder.name, bytes(decoder.extradata or b""))
    found = pictures.at_first() or pictures.find(packets[0])
    assert found is not None
    assert (found.width, found.height) == (202, 106)
    assert 202 * 106 <= found.coded_pixels <= 208 * 112
    again = [pictures.find(packet) for packet in packets]
    assert all(one in (None, found) for one in again)


def test_pictures_that_the_decoder_holds_are_counted() -> None:
    decoder, packets = encoded("libx264", "h264", (64, 64), **X264)
    found = CodedPictures(decoder.name).find(packets[0])
    assert found == CodedPicture(64, 64, 64 * 64, 5 + OTHER_PICTURES)
    wide, packets = encoded("libx264", "h264", (64, 64), "yuv422p", **X264)
    found = CodedPictures(wide.name).find(packets[0])
    assert found is not None and found.bytes_per_pixel == 2


def test_the_same_parameter_sets_are_examined_once() -> None:
    decoder, packets = encoded("libx264", "h264", (64, 64), **{**X264, "g": "1"})
    pictures = CodedPictures(decoder.name)
    assert [pictures.find(packet) is not None for packet in packets] == [True, False]


def test_of_several_parameter_sets_the_largest_counts() -> None:
    small, large = (encoded("libx264", "h264", size, **X264)[1][0] for size in ((64, 64), (320, 240)))
    both = av.Packet(bytes(large)[: bytes(large).index(b"\0\0\1\x65") - 1] + bytes(small))
    found = CodedPictures("h264").find(both)
    assert found is not None and (found.width, found.height) == (320, 240)


def test_parameter_sets_of_other_layers_of_h265_are_not_read() -> None:
    _, packets = encoded("libx265", "hevc", (64, 64), **X265)
    unit = bytes(packets[0])
    assert CodedPictures("hevc").find(av.Packet(unit)) is not None
    assert CodedPictures("hevc").find(av.Packet(unit.replace(b"\0\0\1\x42\x01", b"\0\0\1\x42\x09"))) is None


def test_cropping_does_not_hide_the_coded_size() -> None:
    stream = corpus_stream("h264_main")
    found = CodedPictures("h264", b"".join(b"\0\0\0\1" + nal for nal in stream.parameter_sets)).at_first()
    assert found is not None
    assert found.coded_pixels % 256 == 0
    assert found.coded_pixels >= found.width * found.height


@given(
    codec=st.sampled_from(["h264", "hevc", "mjpeg", "vp8", "av1"]),
    extradata=st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\1" + rest),
    units=st.lists(st.binary(min_size=1, max_size=200) | st.binary(max_size=80).map(lambda rest: b"\0\0\1\x67" + rest)),
)
def test_no_unit_causes_an_error(codec: str, extradata: bytes, units: list[bytes]) -> None:
    pictures = CodedPictures(codec, extradata)
    found: list[Any] = [pictures.at_first(), *(pictures.find(av.Packet(unit)) for unit in units)]
    assert all(one is None or one.coded_pixels >= one.width * one.height for one in found)
