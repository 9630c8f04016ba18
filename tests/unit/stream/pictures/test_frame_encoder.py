"""Pictures are encoded one by one, with the right colours, and keyframes where they are asked for."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from ring_buffers.frames import Colours, SlotFormat
from stream.pictures import video_encoding
from stream.pictures.jpeg import SlotCopy
from stream.pictures.video_encoding import FrameEncoder, NoEncoderError

SIZE = (64, 48)
BLUE = (30, 60, 200)


def coloured(rgb: tuple[int, int, int]) -> SlotCopy:
    return SlotCopy(SlotFormat("rgb24", SIZE, SIZE), np.full((SIZE[1], SIZE[0], 3), rgb, np.uint8))


@pytest.mark.parametrize("only", ["libx264", "mpeg4"])
def test_each_picture_is_a_packet_at_once_and_keyframes_are_those_that_were_asked_for(
    only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_encoding, "LIVE_ENCODERS", {only: video_encoding.LIVE_ENCODERS[only]})
    encoder = FrameEncoder((65, 48))
    assert encoder.size == SIZE
    decoder = av.CodecContext.create(encoder.codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    shown: list[av.VideoFrame] = []
    for number in range(60):
        # A cut, which must not become a keyframe either.
        packet = encoder.encode(
            coloured((255, 255, 255) if number == 30 else BLUE), number * 40_000, key=number % 25 == 0
        )
        assert packet is not None and packet.is_keyframe == (number % 25 == 0)
        shown += decoder.decode(packet)
    shown += decoder.decode(None)
    pixel = shown[-1].to_ndarray(format="rgb24")[24, 32]
    assert np.all(np.abs(pixel.astype(int) - BLUE) < 12), pixel


def test_planes_of_any_colours_keep_what_they_show() -> None:
    for colours in (Colours("bt601", True), Colours("bt709", False)):
        format = SlotFormat("planes", SIZE, SIZE, colours=colours)
        copy = SlotCopy(format, np.full(format.shape, 128, np.uint8))
        packet = FrameEncoder(SIZE).encode(copy, 0, key=True)
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(decoder, VideoCodecContext)
        (frame,) = (*decoder.decode(packet), *decoder.decode(None))
        wanted = 128 if colours.full_range else round((128 - 16) * 255 / 219)
        assert np.all(np.abs(frame.to_ndarray(format="rgb24").astype(int) - wanted) < 5)


def test_without_an_encoder_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_encoding, "LIVE_ENCODERS", {"no_such_encoder": {}})
    with pytest.raises(NoEncoderError, match="install PyAV"):
        FrameEncoder(SIZE)
