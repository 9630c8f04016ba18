"""Cameras read at the wire from servers that others wrote: whole pictures, and back again after every fault."""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections.abc import Callable, Iterator

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.watched_camera import WatchedCamera
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
def test_foreign_servers_are_read_frozen_killed_and_found_again(server: str) -> None:
    make, lower = SERVERS[server]
    with (
        make(SLICES) as running,
        WatchedCamera(
            running.url(), transport="native", lower_transport=lower, slots=32, stall_timeout_s=0.5
        ) as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 20)
        assert_whole_and_complete(camera, SLICES)

        stalls = camera.states.count("stalled")
        running.suspend()
        wait_until(lambda: camera.states.count("stalled") > stalls)
        epoch = camera.said[-1].epoch
        running.resume()
        wait_until(lambda: camera.live and len(camera.numbers(epoch + 1)) >= 3)

        running.kill()
        wait_until(lambda: "refused" in camera.reasons)
        running.restart()
        epoch = camera.said[-1].epoch + 1
        wait_until(lambda: camera.live and len(camera.numbers(epoch)) >= 3)
        assert_whole(camera, SLICES)
        assert camera.reconnects[0] == "stalled"
        assert "ended" in camera.reconnects


@pytest.mark.parametrize("server", ["vlc", "aio_rtsp"])
def test_foreign_servers_h265_is_read(server: str) -> None:
    make, lower = SERVERS[server]
    with (
        make(HEVC) as running,
        WatchedCamera(running.url(), transport="native", lower_transport=lower, slots=32) as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 20)
        assert_whole_and_complete(camera, HEVC)


def test_a_lower_transport_that_a_server_refuses_is_said() -> None:
    with VlcServer(MAIN) as server, WatchedCamera(server.url(), transport="native") as camera:
        wait_until(lambda: "server_error" in camera.reasons)
    with (
        AioRtspServer(MAIN) as server,
        WatchedCamera(server.url(), transport="native", lower_transport="udp") as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 3)
        assert camera.fallbacks == ["udp_refused"]
        assert "TCP" in camera.said[-1].message


# -- passwords -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    units = MAIN.write_units(tmp_path_factory.mktemp("guarded") / "main.units")
    with RtspServer(files={"/main": units}, users={"bob": "geheim"}, digest=True) as running:
        yield running


@pytest.mark.parametrize("lower", ["tcp", "udp"])
def test_a_password_that_changes_shuts_the_camera_out_until_it_changes_back(guarded: RtspServer, lower: str) -> None:
    address = guarded.url("/main", "bob", "geheim")
    with WatchedCamera(address, transport="native", lower_transport=lower, slots=32) as camera:
        wait_until(lambda: len(camera.frames) >= 5)
        guarded.restart(users={"bob": "anders"})
        wait_until(lambda: camera.reconnects.count("unauthorised") >= 2)
        epoch = camera.said[-1].epoch
        guarded.restart(users={"bob": "geheim"})
        wait_until(lambda: camera.live and len(camera.numbers(epoch + 1)) >= 5)
        assert_whole(camera, MAIN)
        assert "geheim" not in repr(camera.said)


def test_a_wrong_password_is_tried_now_and_then_and_never_shown(guarded: RtspServer) -> None:
    with WatchedCamera(guarded.url("/main", "bob", "falsch"), transport="native") as camera:
        wait_until(lambda: camera.reconnects.count("unauthorised") >= 2)
        assert set(camera.reasons) == {"unauthorised"}
        assert "falsch" not in repr(camera.said)


def test_vlcs_basic_password_opens_it_and_a_wrong_one_does_not() -> None:
    with VlcServer(MAIN, login=("bob", "geheim")) as server:
        with WatchedCamera(server.url("bob", "geheim"), transport="native", lower_transport="udp", slots=32) as camera:
            wait_until(lambda: len(camera.frames) >= 5)
            assert_whole(camera, MAIN)
        with WatchedCamera(server.url("bob", "falsch"), transport="native", lower_transport="udp") as camera:
            wait_until(lambda: "unauthorised" in camera.reasons)
            assert not camera.frames


def test_a_session_that_a_server_would_end_is_kept_alive() -> None:
    with (
        VlcServer(MAIN, session_timeout_s=3) as server,
        WatchedCamera(server.url(), transport="native", lower_transport="udp") as camera,
    ):
        wait_until(lambda: camera.live)
        with silent_client(server) as media:
            seen = [len(camera.frames)]

            def left_out() -> bool:
                """Return whether 25 frames came to the camera, and no packet to the silent client."""
                with contextlib.suppress(BlockingIOError):
                    while media.recv(2000):
                        seen[0] = len(camera.frames)
                return len(camera.frames) >= seen[0] + 25

            wait_until(left_out)
        assert camera.reconnects == []
        assert_whole(camera, MAIN)


@contextlib.contextmanager
def silent_client(server: VlcServer) -> Iterator[socket.socket]:
    """A client that says nothing after PLAY, and the socket at which its packets arrive."""
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
    """The first connection's pictures, from a keyframe on."""
    assert_whole(camera, stream)
    assert set(camera.discarded) <= {"awaiting_keyframe"}
    assert camera.fallbacks == []
    numbers = camera.numbers(1)
    assert numbers == [(numbers[0] + number) % len(stream.shown) for number in range(len(numbers))]


def assert_whole(camera: WatchedCamera, stream: CorpusStream) -> None:
    """Every picture is what libav makes of the stream itself."""
    assert [taken.number for taken in camera.frames if taken.digest != stream.shown[taken.number].digest] == []
