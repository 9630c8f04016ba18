"""Native RTSP with servers of other authors: complete pictures, and recovery after every failure."""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections.abc import Callable, Iterator

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.watched_camera import WatchedCamera
from support.ports import reserved_port
from support.rtp.stream_corpus import CorpusStream, corpus_stream
from support.rtp.udp_relay import bind_pair
from support.rtsp_servers.aio_rtsp import AioRtspServer
from support.rtsp_servers.rtsp_rs import RtspRsServer
from support.rtsp_servers.server_process import ServerProcess
from support.rtsp_servers.vlc import VlcServer
from support.waiting import wait_until

MAIN = corpus_stream("h264_main")
SLICES = corpus_stream("h264_slices")
HEVC = corpus_stream("hevc_slices")
SERVERS: dict[str, tuple[Callable[[CorpusStream], ServerProcess], str]] = {
    "vlc": (VlcServer, "udp"),
    "aio_rtsp": (AioRtspServer, "tcp"),
    "rtsp_rs": (RtspRsServer, "udp"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_other_servers_are_read_again_after_they_were_frozen_or_killed(server: str) -> None:
    make, lower = SERVERS[server]
    with (
        make(SLICES) as running,
        WatchedCamera(
            running.url(), transport="native", lower_transport=lower, slots=32, stall_timeout_s=2.0
        ) as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 20)
        assert_whole_and_complete(camera, SLICES)

        stalls = camera.states.count("stalled")
        running.suspend()
        wait_until(lambda: camera.states.count("stalled") > stalls)
        epoch = camera.epochs[-1]
        running.resume()
        wait_until(lambda: camera.live and camera.frames_after(epoch) >= 3)

        running.kill()
        wait_until(lambda: "refused" in camera.reasons)
        epoch = camera.epochs[-1]
        running.restart()
        wait_until(lambda: camera.live and camera.frames_after(epoch) >= 3)
        assert_whole(camera, SLICES)
        assert camera.reconnects[0] == "stalled"
        assert "ended" in camera.reconnects


@pytest.mark.parametrize("server", ["vlc", "aio_rtsp"])
def test_h265_of_other_servers_is_read(server: str) -> None:
    make, lower = SERVERS[server]
    with (
        make(HEVC) as running,
        WatchedCamera(running.url(), transport="native", lower_transport=lower, slots=32) as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 20)
        assert_whole_and_complete(camera, HEVC)


def test_a_refused_lower_transport_is_reported() -> None:
    with VlcServer(MAIN) as server, WatchedCamera(server.url(), transport="native") as camera:
        wait_until(lambda: "server_error" in camera.reasons)
    with (
        AioRtspServer(MAIN) as server,
        WatchedCamera(server.url(), transport="native", lower_transport="udp") as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 3)
        assert camera.fallbacks == ["udp_refused"]
        assert "TCP" in camera.statuses[-1].message


# -- passwords -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    units = MAIN.write_units(tmp_path_factory.mktemp("guarded") / "main.units")
    with RtspServer(files={"/main": units}, users={"bob": "geheim"}, digest=True, port=reserved_port()) as running:
        yield running


@pytest.mark.parametrize("lower", ["tcp", "udp"])
def test_after_a_change_of_password_the_camera_is_unauthorised_until_it_is_changed_back(
    guarded: RtspServer, lower: str
) -> None:
    address = guarded.url("/main", "bob", "geheim")
    with WatchedCamera(address, transport="native", lower_transport=lower, slots=32) as camera:
        wait_until(lambda: len(camera.frames) >= 5)
        guarded.restart(users={"bob": "anders"})
        wait_until(lambda: camera.reconnects.count("unauthorised") >= 2)
        epoch = camera.epochs[-1]
        guarded.restart(users={"bob": "geheim"})
        wait_until(lambda: camera.live and camera.frames_after(epoch) >= 5)
        assert_whole(camera, MAIN)
        assert "geheim" not in repr(camera.statuses)


def test_a_wrong_password_is_retried_and_never_shown(guarded: RtspServer) -> None:
    with WatchedCamera(guarded.url("/main", "bob", "falsch"), transport="native") as camera:
        wait_until(lambda: camera.reconnects.count("unauthorised") >= 2)
        assert set(camera.reasons) == {"unauthorised"}
        assert "falsch" not in repr(camera.statuses)


def test_basic_authentication_of_vlc_accepts_the_right_password_only() -> None:
    with VlcServer(MAIN, login=("bob", "geheim")) as server:
        with WatchedCamera(server.url("bob", "geheim"), transport="native", lower_transport="udp", slots=32) as camera:
            wait_until(lambda: len(camera.frames) >= 5)
            assert_whole(camera, MAIN)
        with WatchedCamera(server.url("bob", "falsch"), transport="native", lower_transport="udp") as camera:
            wait_until(lambda: "unauthorised" in camera.reasons)
            assert not camera.frames


def test_a_session_with_a_timeout_is_kept_alive() -> None:
    with (
        VlcServer(MAIN, session_timeout_s=6) as server,
        WatchedCamera(server.url(), transport="native", lower_transport="udp") as camera,
    ):
        wait_until(lambda: camera.live)
        with silent_client(server) as media:
            seen = [len(camera.frames)]

            def left_out() -> bool:
                """Return whether the camera received 25 frames since the silent client's last packet."""
                with contextlib.suppress(BlockingIOError):
                    while media.recv(2000):
                        seen[0] = len(camera.frames)
                return len(camera.frames) >= seen[0] + 25

            wait_until(left_out)
        assert camera.reconnects == []
        assert_whole(camera, MAIN)


@contextlib.contextmanager
def silent_client(server: VlcServer) -> Iterator[socket.socket]:
    """Connect a client that sends nothing after PLAY, and yield the socket at which its packets arrive."""
    rtp, rtcp = bind_pair()
    port = rtp.getsockname()[1]
    with rtp, rtcp, socket.create_connection(("127.0.0.1", server.port)) as connection:

        def ask(number: int, method: str, url: str, header: str) -> str:
            connection.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: {number}\r\n{header}\r\n\r\n".encode())
            return connection.recv(4000).decode()

        ports = f"Transport: RTP/AVP;unicast;client_port={port}-{port + 1}"
        answer = ask(1, "SETUP", f"{server.url()}/trackID=0", ports)
        (session,) = re.findall(r"Session: *(\w+)", answer)
        assert ask(2, "PLAY", server.url(), f"Session: {session}").startswith("RTSP/1.0 200")
        select.select([rtp], [], [])
        yield rtp


def assert_whole_and_complete(camera: WatchedCamera, stream: CorpusStream) -> None:
    """Check that the first epoch is complete from its first keyframe on."""
    assert_whole(camera, stream)
    assert set(camera.discarded) <= {"awaiting_keyframe"}
    assert camera.fallbacks == []
    numbers = camera.numbers(1)
    assert numbers == [(numbers[0] + number) % len(stream.shown) for number in range(len(numbers))]


def assert_whole(camera: WatchedCamera, stream: CorpusStream) -> None:
    """Check that every picture is what FFmpeg decodes from the stream itself."""
    assert [taken.number for taken in camera.frames if taken.digest != stream.shown[taken.number].digest] == []
