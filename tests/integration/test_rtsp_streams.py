"""RTSP cameras from GStreamer's server, over TCP and UDP, with several codecs and sizes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.small_clips import REORDERED_H264, make_clip
from support.engines.watched_camera import WatchedCamera
from support.waiting import wait_until

SHARED_CAMERA = (
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay config-interval=-1 name=pay0 )"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("rtsp")
    clip = make_clip(folder / "clip.mp4", frames=100)
    large = make_clip(folder / "large.mp4", frames=15, size=(320, 180))
    half = make_clip(folder / "half.mp4", frames=15, size=(160, 90), first_number=100)
    squarer = make_clip(folder / "squarer.mp4", frames=15, size=(320, 240), first_number=200)
    hevc = {
        "codec": "libx265",
        "options": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=none"},
    }
    files: dict[str, Path | list[Path]] = {
        "/clip": clip,
        "/reordered": make_clip(folder / "reordered.mp4", frames=100, options=REORDERED_H264),
        "/hevc": make_clip(folder / "hevc.mp4", frames=50, **hevc),
        "/mjpeg": make_clip(folder / "mjpeg.mkv", frames=50, codec="mjpeg", pixels="yuvj420p"),
        "/same_aspect": [large, half],
        "/other_aspect": [large, squarer],
    }
    with RtspServer(files=files, launch={"/shared": SHARED_CAMERA}) as running:
        yield running


def test_every_frame_is_received_from_the_first_on(server: RtspServer) -> None:
    with WatchedCamera(server.url("/clip")) as camera:
        wait_until(lambda: len(camera.frames) >= 30)
        numbers = camera.numbers(1)
        assert numbers == list(range(len(numbers)))
        assert [meta.frame for meta in camera.of_epoch(1)] == list(range(len(numbers)))
        steps = [b.media_us - a.media_us for a, b in pairwise(camera.of_epoch(1)[1:])]
        assert set(steps) == {40_000}
        assert camera.discarded == []


@pytest.mark.parametrize("path", ["/reordered", "/hevc", "/mjpeg"])
def test_other_codecs_give_every_frame_in_order(server: RtspServer, path: str) -> None:
    with WatchedCamera(server.url(path)) as camera:
        wait_until(lambda: len(camera.frames) >= 20)
        numbers = camera.numbers(1)
        assert numbers == list(range(len(numbers)))


def test_sender_reports_date_the_pictures_by_the_cameras_clock(server: RtspServer) -> None:
    began_us = time.time_ns() // 1000
    with WatchedCamera(server.url("/clip")) as camera:
        wait_until(lambda: sum(taken.meta.clock == "rtcp" for taken in camera.frames) >= 10)
        now_us, now_ns = time.time_ns() // 1000, time.monotonic_ns()
        metas = camera.of_epoch(1)
        assert camera.epochs == [1]
        assert metas[0].clock == "arrival"
        assert camera.statuses[-1].clock == "rtcp"
        dated = [meta for meta in metas if meta.clock == "rtcp"]
        for before, after in pairwise(dated):
            assert after.capture_us - before.capture_us == pytest.approx(40_000, abs=2_000)
        for meta in dated:  # the server runs on this machine and has the same clock
            arrival_us = now_us - (now_ns - meta.arrival_ns) // 1000
            assert began_us <= meta.capture_us <= arrival_us


def test_a_change_of_size_at_the_same_aspect_keeps_the_epoch(server: RtspServer) -> None:
    with WatchedCamera(server.url("/same_aspect")) as camera:
        wait_until(lambda: len(camera.frames) >= 40)
        expected = [*range(15), *range(100, 115), *range(10)]
        assert camera.numbers(1)[:40] == expected
        assert {meta.size for meta in camera.of_epoch(1)} == {(320, 180)}
        assert camera.epochs == [1]
        assert camera.reconnects == []


def test_a_change_of_aspect_begins_an_epoch_within_the_connection(server: RtspServer) -> None:
    with WatchedCamera(server.url("/other_aspect")) as camera:
        wait_until(lambda: camera.epochs == [1, 2, 3, 4])
        assert camera.numbers(1) == list(range(15))
        assert camera.numbers(2) == list(range(200, 215))
        assert [camera.of_epoch(epoch)[0].size for epoch in (1, 2, 3)] == [(320, 180), (320, 240), (320, 180)]
        assert camera.of_epoch(2)[0].frame == 0
        assert [status.size for status in camera.statuses if status.state == "live"][:2] == [(320, 180), (320, 240)]
        assert camera.reconnects == []


def test_a_camera_joined_in_the_middle_of_its_stream_is_live_too(server: RtspServer) -> None:
    with WatchedCamera(server.url("/shared"), "first") as first:
        wait_until(lambda: len(first.frames) >= 12)
        with WatchedCamera(server.url("/shared"), "second") as second:
            wait_until(lambda: len(second.frames) >= 10)
            assert second.epochs == [1]
            assert second.of_epoch(1)[0].media_us == 0
