"""Native RTSP gives the same pictures as the FFmpeg backend, bit-exact and at the same times."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.watched_camera import Taken, WatchedCamera
from support.rtp.stream_corpus import RTP_CLOCK, corpus_stream
from support.waiting import wait_until

PLAYED = ["h264_b_pyramid", "h264_variable_rate", "h264_out_of_band", "hevc_open_gop", "hevc_out_of_band"]
PICTURES = 30
"""Number of pictures from each stream: beyond its second keyframe."""


@dataclass(frozen=True)
class Played:
    """The frames of one stream, by native RTSP and by the FFmpeg backend."""

    native: list[Taken]
    ffmpeg: list[Taken]
    discarded: list[str]
    fallbacks: list[str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    folder = tmp_path_factory.mktemp("corpus")
    files = {f"/{name}": corpus_stream(name).write_units(folder / f"{name}.units") for name in PLAYED}
    found: dict[str, Played] = {}
    with RtspServer(files=files) as server:
        with contextlib.ExitStack() as stack:

            def watch(name: str, transport: str) -> WatchedCamera:
                slots = 3 * PICTURES  # a busy machine may not take them at once
                camera = WatchedCamera(server.url(f"/{name}"), f"{name}-{transport}", slots, transport=transport)
                return stack.enter_context(camera)

            cameras = {name: (watch(name, "native"), watch(name, "ffmpeg")) for name in PLAYED}
            for both in cameras.values():
                for camera in both:
                    wait_until(lambda camera=camera: len(camera.frames) >= PICTURES)
        for name, (native, ffmpeg) in cameras.items():
            taken = native.frames[:PICTURES], ffmpeg.frames[:PICTURES]
            found[name] = Played(*taken, native.discarded, native.fallbacks)
    return found


@pytest.mark.parametrize("name", PLAYED)
def test_every_picture_is_bit_exact(played: dict[str, Played], name: str) -> None:
    stream, native, ffmpeg = corpus_stream(name), played[name].native, played[name].ffmpeg
    shown = len(stream.shown)
    assert [taken.number for taken in native] == [number % shown for number in range(PICTURES)]
    assert [taken.digest for taken in native] == [taken.digest for taken in ffmpeg]
    assert [taken.digest for taken in native] == [stream.shown[taken.number].digest for taken in native]
    assert played[name].discarded == []
    assert played[name].fallbacks == []


@pytest.mark.parametrize("name", PLAYED)
def test_every_picture_has_its_time_to_the_millisecond(played: dict[str, Played], name: str) -> None:
    stream = corpus_stream(name)
    turns = range(PICTURES // len(stream.shown) + 1)
    ticks = [picture.pts + turn * stream.duration for turn in turns for picture in stream.shown]
    due = [round((at - ticks[0]) * 1e6 / RTP_CLOCK) for at in ticks[:PICTURES]]
    assert [taken.meta.media_us for taken in played[name].native] == pytest.approx(due, abs=1000)
    second = played[name].ffmpeg[1].meta.media_us  # FFmpeg does not know the time of the first
    by_ffmpeg = [taken.meta.media_us - second + due[1] for taken in played[name].ffmpeg[1:]]
    assert [taken.meta.media_us for taken in played[name].native[1:]] == pytest.approx(by_ffmpeg, abs=1000)
