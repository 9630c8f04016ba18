"""Native RTSP gives the same pictures as the FFmpeg backend, bit-exact and at the same times."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.watched_camera import Taken, WatchedCamera
from support.rtp.stream_corpus import RTP_CLOCK, corpus_stream, names
from support.waiting import wait_until

PLAYED = [name for name in names() if name != "h264_quiet_change"]
"""GStreamer keeps the old parameter sets if the new ones have the same profile and size."""
PICTURES = dict.fromkeys(PLAYED, 30) | {"h264_4k": 8}
"""Number of pictures from each stream: beyond its second keyframe."""
CONVERTED = {"hevc_10_bit"}
"""The engine's slots hold 8 bits."""
SCALED = {"h264_size_change"}
"""To the size at the beginning of the epoch."""


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
        small = [name for name in PLAYED if name != "h264_4k"]
        for together in (["h264_4k"], small[: len(small) // 2], small[len(small) // 2 :]):
            with contextlib.ExitStack() as stack:

                def watch(name: str, transport: str, stack: contextlib.ExitStack = stack) -> WatchedCamera:
                    slots = 3 * PICTURES[name]  # a busy machine may not take them at once
                    camera = WatchedCamera(server.url(f"/{name}"), f"{name}-{transport}", slots, transport=transport)
                    return stack.enter_context(camera)

                cameras = {name: (watch(name, "native"), watch(name, "ffmpeg")) for name in together}
                for name, both in cameras.items():
                    for camera in both:
                        wait_until(lambda camera=camera, name=name: len(camera.frames) >= PICTURES[name])
            for name, (native, ffmpeg) in cameras.items():
                taken = native.frames[: PICTURES[name]], ffmpeg.frames[: PICTURES[name]]
                found[name] = Played(*taken, native.discarded, native.fallbacks)
    return found


@pytest.mark.parametrize("name", PLAYED)
def test_every_picture_is_bit_exact(played: dict[str, Played], name: str) -> None:
    stream, native, ffmpeg = corpus_stream(name), played[name].native, played[name].ffmpeg
    shown = len(stream.shown)
    assert [taken.number for taken in native] == [number % shown for number in range(PICTURES[name])]
    assert [taken.digest for taken in native] == [taken.digest for taken in ffmpeg]
    if name not in CONVERTED | SCALED:
        assert [taken.digest for taken in native] == [stream.shown[taken.number].digest for taken in native]
    assert played[name].discarded == []
    assert played[name].fallbacks == []


@pytest.mark.parametrize("name", PLAYED)
def test_every_picture_has_its_time_to_the_millisecond(played: dict[str, Played], name: str) -> None:
    stream = corpus_stream(name)
    turns = range(PICTURES[name] // len(stream.shown) + 1)
    ticks = [picture.pts + turn * stream.duration for turn in turns for picture in stream.shown]
    due = [round((at - ticks[0]) * 1e6 / RTP_CLOCK) for at in ticks[: PICTURES[name]]]
    assert [taken.meta.media_us for taken in played[name].native] == pytest.approx(due, abs=1000)
    second = played[name].ffmpeg[1].meta.media_us  # FFmpeg does not know the time of the first
    by_ffmpeg = [taken.meta.media_us - second + due[1] for taken in played[name].ffmpeg[1:]]
    assert [taken.meta.media_us for taken in played[name].native[1:]] == pytest.approx(by_ffmpeg, abs=1000)
