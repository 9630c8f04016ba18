"""Drawn video: what its receivers get, at which rate, and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from msgspec.structs import replace

from ring_buffers.frames import FrameMeta, SlotFormat
from stream.pictures import video_encoding
from stream.privacy.drawn_pictures import GREY
from stream.privacy.drawn_video import Demand, DrawnVideo, DrawnVideos
from stream.privacy.shown import ShownResult, ShownSlot
from stream.recording.packets import PacketRing
from support.engines.wire_messages import frame
from support.waiting import until

FORMAT = SlotFormat("rgb24", (64, 48), (64, 48))
META = FrameMeta("lobby", 1, 0, 0, 7, "arrival", 0, 0, (64, 48), FORMAT)


def meta(number: int, epoch: int = 1) -> FrameMeta:
    return replace(META, epoch=epoch, frame=number, media_us=number * 40_000, arrival_ns=number * 40_000_000)


def drawn(number: int, epoch: int = 1) -> ShownResult:
    return ShownResult(meta(number, epoch), frame(people=0))


def video(sink: Any, demand: Demand = "show", key: Callable[[float], bool] = lambda now_s: False) -> DrawnVideo:
    return DrawnVideo("lobby", sink, lambda: demand, key, lambda: None)


def ring() -> PacketRing:
    return PacketRing(100, 100, 1 << 24)


def play(one: DrawnVideo, numbers: range, epoch: int = 1) -> None:
    for number in numbers:
        one.offer(drawn(number, epoch))
        one.advance()


def test_a_recorder_gets_units_with_the_frames_times_and_a_keyframe_every_second() -> None:
    packets = ring()
    play(video(packets), range(100))
    held = packets.settled_from(0)
    # Of 25 frames a second, every second one: 15 are the most.
    assert [unit.media_us for unit in held] == [number * 40_000 for number in range(0, 100, 2)]
    assert [unit.media_us for unit in held if unit.is_key] == [0, 1_040_000, 2_080_000, 3_120_000]
    assert {(unit.epoch, unit.capture_us, unit.codec.name) for unit in held} == {(1, 7, "h264")}
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = [shown for unit in held for shown in decoder.decode(unit.unit.packet)]
    assert len(frames) >= 49
    picture = frames[-1].to_ndarray(format="rgb24").astype(int)
    assert picture.shape == (540, 960, 3) and np.all(np.abs(picture[200, 200] - GREY) < 6)


def test_pictures_are_encoded_only_as_often_as_they_are_needed() -> None:
    counts: dict[Demand, int] = {}
    for demand in ("nothing", "hold", "show"):
        packets = ring()
        play(video(packets, demand), range(101))
        counts[demand] = len(packets)
        assert packets.connected, "viewers must learn the codec before they can ask"
    assert counts == {"nothing": 0, "hold": 21, "show": 51}


def test_a_slow_encoder_loses_the_oldest_pictures_and_never_blocks() -> None:
    packets = ring()
    one = video(packets)
    for number in range(0, 20, 2):
        one.offer(ShownSlot(meta(number), np.full(FORMAT.shape, number, np.uint8)))
    while one.advance():
        pass
    assert [unit.media_us for unit in packets.settled_from(0)] == [640_000, 720_000]


def test_a_viewer_gets_a_keyframe_as_soon_as_it_waits_for_one() -> None:
    packets = ring()
    waiting = [False]
    one = video(packets, key=lambda now_s: waiting[0])
    play(one, range(10))
    waiting[0] = True
    play(one, range(10, 12))
    assert [unit.media_us for unit in packets.settled_from(0) if unit.is_key] == [0, 400_000]


def test_an_epoch_begins_with_a_keyframe_and_frames_of_an_earlier_connection_are_not_added() -> None:
    packets = ring()
    one = video(packets)
    play(one, range(4))
    one.interrupt(1)
    assert not packets.connected
    play(one, range(4, 8))  # still in the model when the connection ended
    assert not packets.connected
    play(one, range(4), epoch=2)
    assert packets.connected
    one.interrupt(1)  # reported late
    assert packets.connected
    play(one, range(4, 5), epoch=2)
    assert [(unit.epoch, unit.media_us, unit.is_key) for unit in packets.settled_from(0)] == [
        (1, 0, True),
        (1, 80_000, False),
        (2, 0, True),
        (2, 80_000, False),
        (2, 160_000, False),
    ]
    one.close()
    assert packets.closed
    play(one, range(5, 9), epoch=2)
    assert len(packets) == 5


def test_without_an_encoder_it_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DrawnVideos().refusal is None
    assert DrawnVideos("refuse").refusal == "privacy.video is `refuse`"
    monkeypatch.setattr(video_encoding, "LIVE_ENCODERS", {"no_such_encoder": {}})
    assert "install PyAV" in (DrawnVideos().refusal or "")


async def test_one_thread_encodes_the_video_of_all_cameras_and_ends_with_the_engine() -> None:
    videos = DrawnVideos()
    rings = [ring() for _ in range(3)]
    made = [videos.add(f"camera-{number}", one, lambda: "show") for number, one in enumerate(rings)]
    for one in made:
        one.offer(drawn(0))
    await until(lambda: all(packets.settled_from(0) for packets in rings))
    made[0].close()
    made[1].offer(drawn(2))
    await until(lambda: len(rings[1]) == 2)
    videos.close()
    made[1].offer(drawn(4))
    assert len(rings[1]) == 2
