"""RTSP cameras that are killed, frozen or restarted while they are live. Other cameras are not affected."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from stream.sources.error_diagnosis import ErrorDiagnosis
from support.engines.small_clips import make_clip
from support.engines.watched_camera import WatchedCamera
from support.ports import reserved_port
from support.waiting import wait_until


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", frames=1000)


@pytest.fixture
def server(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(files={"/clip": clip}, port=reserved_port()) as running:
        yield running


TRANSPORTS = [("native", "tcp"), ("native", "udp"), ("ffmpeg", "tcp")]


@pytest.mark.parametrize(("transport", "lower"), TRANSPORTS)
def test_a_killed_and_restarted_server_is_read_again_in_a_new_epoch(
    server: RtspServer, transport: str, lower: str
) -> None:
    with WatchedCamera(server.url("/clip"), transport=transport, lower_transport=lower) as camera:
        wait_until(lambda: len(camera.frames) >= 10)
        server.kill()
        wait_until(lambda: camera.state == "reconnecting")
        assert camera.reasons[0] == "ended"
        wait_until(lambda: "refused" in camera.reasons)
        server.restart()
        wait_until(lambda: camera.live and len(camera.numbers(2)) >= 10)
        assert camera.statuses[-1].epoch == 2
        assert camera.statuses[-1].reason is None
        for epoch in (1, 2):
            numbers = camera.numbers(epoch)
            assert numbers == list(range(len(numbers)))
            assert [meta.frame for meta in camera.of_epoch(epoch)] == numbers
        assert camera.reconnects[0] == "ended"
        assert "refused" in camera.reconnects


@pytest.mark.parametrize(("transport", "lower"), TRANSPORTS)
def test_a_camera_whose_server_is_frozen_stalls_and_is_live_again_when_it_continues(
    server: RtspServer, transport: str, lower: str
) -> None:
    with WatchedCamera(
        server.url("/clip"), transport=transport, lower_transport=lower, stall_timeout_s=1.0, start_timeout_s=1.0
    ) as camera:
        wait_until(lambda: camera.live and len(camera.numbers(camera.statuses[-1].epoch)) >= 10)
        attempts, stalls = len(camera.reconnects), camera.states.count("stalled")
        server.suspend()
        wait_until(lambda: camera.states.count("stalled") > stalls)
        epoch = camera.epochs[-1]
        wait_until(lambda: "silent" in camera.reconnects[attempts:])  # the kernel still accepts connections
        server.resume()
        wait_until(lambda: camera.live and camera.frames_after(epoch) >= 5)
        assert camera.reconnects[attempts] == "stalled"


@pytest.mark.parametrize("carried", ["tcp", "udp"])
def test_a_silence_shorter_than_the_stall_timeout_loses_no_frame(server: RtspServer, carried: str) -> None:
    with WatchedCamera(server.url("/clip"), lower_transport=carried, slots=128) as camera:
        silences_ns = noted_silences(camera)
        wait_until(lambda: len(camera.frames) >= 10)
        server.suspend()
        wait_until(lambda: silences_ns[-1] > 2_000_000_000)  # longer than a read may take
        server.resume()
        wait_until(lambda: len(camera.frames) >= 75)
        numbers = camera.numbers(1)
        assert numbers == list(range(len(numbers)))
        media = [meta.media_us for meta in camera.of_epoch(1)]
        assert [b - a for a, b in pairwise(media[1:])] == pytest.approx([40_000] * (len(media) - 2), abs=1)
        assert camera.reconnects == []
        assert camera.epochs == [1]


def noted_silences(camera: WatchedCamera) -> list[int]:
    """Return a list of the times without data (ns) that the camera measures; it grows."""
    silences: list[int] = [0]
    watch = camera.reader._check_silence

    def note(diagnosis: ErrorDiagnosis, now_ns: int, began_ns: int, last_ns: int, awaited_ns: int) -> None:
        silences.append(now_ns - last_ns)
        watch(diagnosis, now_ns, began_ns, last_ns, awaited_ns)

    camera.reader._check_silence = note  # type: ignore[method-assign]
    return silences


def test_a_camera_that_fails_costs_no_frame_of_another(clip: Path, server: RtspServer) -> None:
    with (
        RtspServer(files={"/clip": clip}, port=reserved_port()) as dying,
        WatchedCamera(server.url("/clip"), "steady", slots=64) as steady,
        WatchedCamera(dying.url("/clip"), "dying", stall_timeout_s=1.0) as other,
    ):
        wait_until(lambda: len(steady.frames) >= 10 and len(other.frames) >= 10)
        dying.kill()
        wait_until(lambda: other.state == "reconnecting")
        epoch = other.epochs[-1]
        seen = len(steady.frames)
        wait_until(lambda: len(steady.frames) >= seen + 50)
        dying.restart()
        wait_until(lambda: other.frames_after(epoch) >= 10)
        stalls = other.states.count("stalled")
        dying.suspend()
        wait_until(lambda: other.states.count("stalled") > stalls)
        numbers = steady.numbers(1)
        assert numbers == list(range(len(numbers)))
        assert [meta.frame for meta in steady.of_epoch(1)] == numbers
        assert steady.ring.counts().dropped == {}
        assert steady.discarded == []
        assert [status.state for status in steady.statuses if status.clock != "rtcp"] == ["connecting", "live"]


def test_a_stopped_camera_leaves_no_thread_behind(server: RtspServer) -> None:
    before = {thread.name for thread in threading.enumerate()}
    for _ in range(3):
        with WatchedCamera(server.url("/clip")) as camera:
            wait_until(lambda: len(camera.frames) >= 2)
    wait_until(lambda: {thread.name for thread in threading.enumerate()} <= before)
