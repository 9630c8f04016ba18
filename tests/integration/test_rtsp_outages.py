"""RTSP cameras that fail while they are live: killed, frozen, restarted; and what that costs the others: nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.small_clips import make_clip
from support.engines.watched_camera import WatchedCamera


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", frames=1000)


@pytest.fixture
def server(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(files={"/clip": clip}) as running:
        yield running


WAYS = [("native", "tcp"), ("native", "udp"), ("ffmpeg", "tcp")]


@pytest.mark.parametrize(("way", "carried"), WAYS)
def test_a_killed_and_restarted_server_is_found_again_in_a_new_epoch(
    server: RtspServer, way: str, carried: str
) -> None:
    with WatchedCamera(server.url("/clip"), transport=way, lower_transport=carried) as camera:
        camera.wait_for(lambda: len(camera.frames) >= 10)
        server.kill()
        camera.wait_for(lambda: camera.state == "reconnecting")
        assert camera.reasons[0] == "ended"
        camera.wait_for(lambda: "refused" in camera.reasons)
        server.restart()
        camera.wait_for(lambda: camera.live and len(camera.numbers(2)) >= 10)
        assert camera.said[-1].epoch == 2
        assert camera.said[-1].reason is None
        for epoch in (1, 2):
            numbers = camera.numbers(epoch)
            assert numbers == list(range(len(numbers)))
            assert [meta.frame for meta in camera.of_epoch(epoch)] == numbers
        assert camera.reconnects[0] == "ended"
        assert "refused" in camera.reconnects


@pytest.mark.parametrize(("way", "carried"), WAYS)
def test_a_frozen_server_is_a_stall_and_live_again_once_it_thaws(server: RtspServer, way: str, carried: str) -> None:
    with WatchedCamera(
        server.url("/clip"), transport=way, lower_transport=carried, stall_timeout_s=1.0, start_timeout_s=1.0
    ) as camera:
        camera.wait_for(lambda: len(camera.frames) >= 10)
        last_ns = camera.frames[-1].meta.arrival_ns
        server.suspend()
        camera.wait_for(lambda: camera.state == "stalled")
        assert 0.9 <= (time.monotonic_ns() - last_ns) / 1e9 < 1.8  # not twice the timeout, as with libav's own
        assert camera.reasons == ["stalled"]
        assert camera.said[-1].epoch == 1
        camera.wait_for(lambda: "silent" in camera.reasons)  # the kernel accepts for it
        assert camera.state == "reconnecting"
        server.resume()
        camera.wait_for(lambda: camera.live and len(camera.numbers(camera.said[-1].epoch)) >= 5)
        assert camera.said[-1].epoch == 2
        assert camera.reconnects[:2] == ["stalled", "silent"]


def test_a_frozen_server_that_is_restarted_is_found_again(server: RtspServer) -> None:
    with WatchedCamera(server.url("/clip"), stall_timeout_s=0.6) as camera:
        camera.wait_for(lambda: len(camera.frames) >= 5)
        server.suspend()
        camera.wait_for(lambda: camera.state == "stalled")
        server.restart()
        camera.wait_for(lambda: camera.live and len(camera.numbers(2)) >= 5)


@pytest.mark.parametrize("carried", ["tcp", "udp"])
def test_a_silence_shorter_than_the_stall_timeout_loses_nothing(server: RtspServer, carried: str) -> None:
    with WatchedCamera(server.url("/clip"), lower_transport=carried, stall_timeout_s=4.0, slots=128) as camera:
        camera.wait_for(lambda: len(camera.frames) >= 10)
        server.suspend()
        time.sleep(2.0)  # longer than a read may take: libav is interrupted and goes on
        server.resume()
        camera.wait_for(lambda: len(camera.frames) >= 75)
        numbers = camera.numbers(1)
        assert numbers == list(range(len(numbers)))
        media = [meta.media_us for meta in camera.of_epoch(1)]
        assert [b - a for a, b in pairwise(media[1:])] == pytest.approx([40_000] * (len(media) - 2), abs=1)
        assert camera.reconnects == []
        assert camera.epochs == [1]


def test_stop_ends_a_camera_whose_server_is_frozen_within_two_seconds(server: RtspServer) -> None:
    with WatchedCamera(server.url("/clip"), stall_timeout_s=30.0) as camera:
        camera.wait_for(lambda: len(camera.frames) >= 5)
        server.suspend()
        time.sleep(0.5)
        assert camera.stop(within_s=2.0) < 2.0


def test_one_camera_that_dies_costs_another_not_one_frame(clip: Path, server: RtspServer) -> None:
    with (
        RtspServer(files={"/clip": clip}) as dying,
        WatchedCamera(server.url("/clip"), "steady", slots=64) as steady,
        WatchedCamera(dying.url("/clip"), "dying") as other,
    ):
        steady.wait_for(lambda: len(steady.frames) >= 10 and len(other.frames) >= 10)
        dying.kill()
        other.wait_for(lambda: other.state == "reconnecting")
        seen = len(steady.frames)
        steady.wait_for(lambda: len(steady.frames) >= seen + 50)
        dying.restart()
        other.wait_for(lambda: len(other.numbers(2)) >= 10)
        dying.suspend()
        other.wait_for(lambda: other.state == "stalled")
        numbers = steady.numbers(1)
        assert numbers == list(range(len(numbers)))
        assert [meta.frame for meta in steady.of_epoch(1)] == numbers
        assert steady.ring.counts().dropped == {}
        assert steady.discarded == []
        assert [status.state for status in steady.said if status.clock != "rtcp"] == ["connecting", "live"]
        # no frame of the steady one was late: its arrivals keep their beat through the other's deaths
        arrivals = [meta.arrival_ns for meta in steady.of_epoch(1)]
        assert max(b - a for a, b in pairwise(arrivals)) < 1e9


def test_a_camera_that_comes_and_goes_leaves_no_thread_behind(server: RtspServer) -> None:
    before = {thread.name for thread in threading.enumerate()}
    for _ in range(3):
        with WatchedCamera(server.url("/clip")) as camera:
            camera.wait_for(lambda: len(camera.frames) >= 2)
    left = {thread.name for thread in threading.enumerate()} - before
    assert left == set()
