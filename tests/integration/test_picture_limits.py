"""Cameras whose pictures are larger than `max_picture`: refused with the reason, whatever reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.small_clips import make_clip
from support.engines.watched_camera import WatchedCamera
from support.waiting import wait_until

LIMIT = "640x480"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "large": make_clip(folder / "large.mp4", frames=10, size=(1280, 720)),
        "small": make_clip(folder / "small.mp4", frames=10),
        "hevc": make_clip(folder / "hevc.mp4", frames=10, size=(1280, 720), codec="libx265"),
        "mjpeg": make_clip(folder / "mjpeg.mkv", frames=10, size=(1280, 720), codec="mjpeg", pixels="yuvj420p"),
        "vp8": make_clip(folder / "vp8.webm", frames=10, size=(1280, 720), codec="libvpx"),
        "mpeg4": make_clip(folder / "mpeg4.avi", frames=10, size=(1280, 720), codec="mpeg4"),
    }


@pytest.fixture(scope="module")
def server(clips: dict[str, Path]) -> Iterator[RtspServer]:
    with RtspServer(files={"/large": clips["large"], "/grows": [clips["small"], clips["large"]]}) as running:
        yield running


@pytest.mark.parametrize("transport", ["native", "ffmpeg"])
def test_a_live_camera_is_refused_and_its_status_says_why_and_what_to_do(server: RtspServer, transport: str) -> None:
    with WatchedCamera(server.url("/large"), transport=transport, max_picture=LIMIT) as camera:
        wait_until(lambda: "picture_too_large" in camera.reasons)
        status = next(status for status in camera.statuses if status.reason == "picture_too_large")
        assert status.state == "connecting"
        assert "camera cam: its pictures of 1280x720 pixels are larger than max_picture (640x480)" in status.message
        assert camera.frames == []


@pytest.mark.parametrize("transport", ["native", "ffmpeg"])
def test_a_camera_whose_pictures_grow_is_refused_from_then_on(server: RtspServer, transport: str) -> None:
    with WatchedCamera(server.url("/grows"), transport=transport, max_picture=LIMIT) as camera:
        wait_until(lambda: "picture_too_large" in camera.reasons)
        assert {taken.meta.size for taken in camera.frames} == {(320, 180)}


@pytest.mark.parametrize("name", ["large", "hevc", "mjpeg", "vp8", "mpeg4"])
def test_a_file_is_refused(clips: dict[str, Path], name: str) -> None:
    with WatchedCamera(clips[name], pace="fast", max_picture=LIMIT) as camera:
        camera.wait_until_ended()
        assert (camera.statuses[-1].reason, camera.frames) == ("picture_too_large", [])


def test_a_picture_within_the_limit_is_read(clips: dict[str, Path]) -> None:
    with WatchedCamera(clips["large"], pace="fast", max_picture="1280x720") as camera:
        camera.wait_until_ended()
        assert len(camera.frames) == 10
