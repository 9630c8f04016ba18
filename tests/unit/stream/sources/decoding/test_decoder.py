from __future__ import annotations

import gc
import io
import weakref
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from stream.sources.decoding.decoder import MAX_WAIT_UNITS, Decoder
from stream.sources.transport import AccessUnit, UnitTimes
from support.engines.fake_source import FakeCodec, unit


class Discards(list[str]):
    def __call__(self, reason: str) -> None:
        self.append(reason)


def fake_decoder() -> tuple[Decoder, FakeCodec, Discards]:
    codec, discards = FakeCodec(), Discards()
    return Decoder(cast("VideoCodecContext", codec), discards), codec, discards


def test_each_picture_carries_the_times_of_its_own_unit() -> None:
    decoder, _, _ = fake_decoder()
    sent = [unit(pts_us=n * 40_000, arrival_us=n * 40_100) for n in range(3)]
    decoded = [decoder.decode(one)[0] for one in sent]
    assert [one.times for one in decoded] == [one.times for one in sent]
    assert [one.pts_us for one in decoded] == [0, 40_000, 80_000]


def test_an_undecodable_unit_is_discarded_with_all_up_to_the_next_keyframe() -> None:
    decoder, codec, discards = fake_decoder()
    assert decoder.decode(unit(undecodable=True)) == []
    assert codec.flushed == 1
    assert decoder.decode(unit(is_keyframe=False)) == []
    assert decoder.decode(unit(is_keyframe=False)) == []
    assert len(decoder.decode(unit(is_keyframe=True))) == 1
    assert len(decoder.decode(unit(is_keyframe=False))) == 1
    assert discards == ["corrupt", "awaiting_keyframe", "awaiting_keyframe"]


def test_a_picture_marked_as_corrupt_by_the_decoder_is_discarded_as_incomplete() -> None:
    decoder, _, discards = fake_decoder()
    assert decoder.decode(unit(half_decoded=True)) == []
    assert discards == ["incomplete"]


def test_a_stream_that_never_marks_keyframes_is_decoded_again_after_a_while() -> None:
    decoder, _, discards = fake_decoder()
    decoder.decode(unit(undecodable=True))
    waited = 0
    while not decoder.decode(unit(is_keyframe=False)):
        waited += 1
    assert waited == MAX_WAIT_UNITS - 1
    assert len(discards) == MAX_WAIT_UNITS


# -- with FFmpeg's decoder ----------------------------------------------------------------------------------------


def encoded(frames: int, bframes: int, keyframe_interval: int = 10) -> tuple[VideoCodecContext, list[av.Packet]]:
    """Return H.264 access units, and a decoder for them."""
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        options = f"bframes={bframes}:b-adapt=0:keyint={keyframe_interval}:scenecut=0"
        stream.options = {"preset": "ultrafast", "x264-params": options}
        rng = np.random.default_rng(1)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (96, 128, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    out.seek(0)
    container = av.open(out)
    stream = container.streams.video[0]
    packets = [packet for packet in container.demux(stream) if packet.size]
    codec = av.CodecContext.create("h264", "r")
    assert isinstance(codec, VideoCodecContext)
    return codec, packets


def units_of(packets: list[av.Packet]) -> list[AccessUnit]:
    return [
        AccessUnit(packet, UnitTimes(round((packet.pts or 0) * 1e6 / 90_000), number, number))
        for number, packet in enumerate(packets)
    ]


def test_reordered_pictures_come_out_in_order_each_with_its_own_times() -> None:
    codec, packets = encoded(frames=20, bframes=2)
    units = units_of(packets)
    assert [one.times.pts_us for one in units] != sorted(one.times.pts_us or 0 for one in units)
    decoder = Decoder(codec, Discards())
    decoded = [picture for one in units for picture in decoder.decode(one)] + decoder.flush()
    assert len(decoded) == 20
    steps = np.diff([picture.pts_us or 0 for picture in decoded])
    assert set(steps.tolist()) == {40_000}
    arrival_of = {one.times.pts_us: one.times.arrival_ns for one in units}
    assert all(picture.times.arrival_ns == arrival_of[picture.pts_us] for picture in decoded)


def test_invalid_data_affects_nothing_after_the_next_keyframe() -> None:
    codec, packets = encoded(frames=40, bframes=0, keyframe_interval=10)
    discards = Discards()
    decoder = Decoder(codec, discards)
    units = units_of(packets)
    rubbish = av.Packet(bytes(packets[13])[:4] + b"\x41" + b"\xff" * 200)
    rubbish.pts, rubbish.time_base = packets[13].pts, packets[13].time_base
    units[13] = AccessUnit(rubbish, units[13].times)
    decoded = [picture for one in units for picture in decoder.decode(one)] + decoder.flush()
    shown = {picture.pts_us for picture in decoded}
    assert {one.times.pts_us for one in units[20:]} <= shown
    assert len(decoded) + len(discards) >= 39
    assert 13 <= len(decoded) < 40


def test_a_unit_is_released_with_its_picture() -> None:
    codec, packets = encoded(frames=8, bframes=0)
    decoder = Decoder(codec, Discards())

    class Watched(UnitTimes):
        """A unit to which weak references are possible, unlike one with slots."""

    seen: list[weakref.ref[Any]] = []
    for number, packet in enumerate(packets):
        times = Watched(number * 40_000, number, number)
        seen.append(weakref.ref(times))
        decoder.decode(AccessUnit(packet, times))
    packets.clear()
    del decoder, codec, packet, times
    gc.collect()
    assert [one() for one in seen] == [None] * 8


@pytest.mark.parametrize("bframes", [0, 2])
def test_flush_returns_all_pictures_that_were_held_back(bframes: int) -> None:
    codec, packets = encoded(frames=9, bframes=bframes)
    decoder = Decoder(codec, Discards())
    before = sum(len(decoder.decode(one)) for one in units_of(packets))
    assert before + len(decoder.flush()) == 9


def restarting(of: AccessUnit) -> AccessUnit:
    return AccessUnit(of.packet, of.times, restart=True)


def test_after_a_loss_the_decoder_is_flushed_and_gets_all_units_that_follow() -> None:
    decoder, codec, discards = fake_decoder()
    assert len(decoder.decode(restarting(unit()))) == 1
    assert codec.flushed == 0  # nothing was decoded before
    assert decoder.decode(unit(undecodable=True)) == []
    assert len(decoder.decode(restarting(unit(is_keyframe=False)))) == 1
    assert len(decoder.decode(unit(is_keyframe=False))) == 1
    assert codec.flushed == 1
    assert discards == ["corrupt"]


def test_units_that_the_decoder_withholds_are_counted_and_it_recovers_at_the_next_keyframe() -> None:
    codec, packets = encoded(frames=20, bframes=0)
    discards = Discards()
    decoder = Decoder(codec, discards)
    units = units_of(packets)
    shown = decoder.decode(restarting(units[0])) + decoder.decode(units[1])
    assert not decoder.recovering
    shown += decoder.decode(restarting(units[3]))
    assert decoder.recovering
    shown += [picture for one in units[4:] for picture in decoder.decode(one)] + decoder.flush()
    assert not decoder.recovering
    assert [one.times for one in shown] == [one.times for one in [*units[:2], *units[10:]]]
    assert discards == ["awaiting_keyframe"] * 7


def test_pictures_held_back_for_reordering_are_returned_when_decoding_restarts() -> None:
    codec, packets = encoded(frames=12, bframes=2)
    units = units_of(packets)
    decoder = Decoder(codec, Discards())
    held_back = 8 - sum(len(decoder.decode(one)) for one in units[:8])
    assert held_back > 0
    again = units_of(encoded(frames=12, bframes=2)[1])
    assert len(decoder.decode(restarting(again[0]))) == held_back
    rest = [picture for one in again[1:] for picture in decoder.decode(one)] + decoder.flush()
    assert len(rest) == 12


def test_after_a_broken_picture_the_decoder_is_flushed_too() -> None:
    decoder, codec, discards = fake_decoder()
    assert len(decoder.decode(restarting(unit()))) == 1
    assert decoder.decode(unit(half_decoded=True)) == []
    assert codec.flushed == 1 and decoder.recovering
    assert discards == ["incomplete"]
