"""RTSP cameras that cannot be opened: each error has its reason, shows no password, and is retried."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.logging
import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.small_clips import make_clip
from support.engines.watched_camera import WatchedCamera
from support.ports import reserved_port
from support.waiting import wait_until

SOUND_ONLY = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 )"
UNKNOWN_CODEC = (
    "( videotestsrc is-live=true ! video/x-raw,width=160,height=120 ! x264enc tune=zerolatency ! rtph264pay "
    '! capssetter caps="application/x-rtp,encoding-name=X-NOBODYS" name=pay0 )'
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", frames=50)


@pytest.fixture(scope="module")
def server(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(files={"/clip": clip}, launch={"/sound": SOUND_ONLY, "/odd": UNKNOWN_CODEC}) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(files={"/clip": clip}, users={"bob": "geheim", "eve": "p@ss/word"}) as running:
        yield running


def failing(source: str, **settings: object) -> WatchedCamera:
    """Watch a camera until its second attempt has failed, and return it stopped."""
    with WatchedCamera(source, **settings) as camera:
        wait_until(lambda: len(camera.reconnects) >= 2)
        assert camera.state == "connecting"
    assert not camera.reader.ever_live
    assert camera.statuses[-1].state == "ended"
    assert all(status.epoch == 0 for status in camera.statuses)
    return camera


def test_an_unknown_path_is_not_found(server: RtspServer) -> None:
    camera = failing(server.url("/nowhere"))
    assert set(camera.reasons) == {"not_found"}
    assert "/nowhere" in camera.statuses[1].message


def test_a_port_where_nothing_listens_is_refused() -> None:
    assert set(failing(f"rtsp://127.0.0.1:{reserved_port()}/x").reasons) == {"refused"}


def test_a_host_without_an_address_is_unknown() -> None:
    assert set(failing("rtsp://no-such-host.invalid/x").reasons) == {"unknown_host"}


def test_a_stream_without_video_is_not_a_video(server: RtspServer) -> None:
    assert set(failing(server.url("/sound")).reasons) == {"not_a_video"}


@contextlib.contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the address of a port at which `serve` is called with each connection; all are closed at the end."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connections.append(connection)
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"rtsp://bob:geheim@127.0.0.1:{listening.getsockname()[1]}/x"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                connection.close()
    thread.join()


@pytest.mark.parametrize("carried", ["tcp", "udp"])
def test_a_port_that_accepts_connections_and_never_answers_is_silent(carried: str) -> None:
    with (
        answering(lambda connection: None) as address,
        WatchedCamera(address, lower_transport=carried, start_timeout_s=0.3) as camera,
    ):
        wait_until(lambda: camera.reconnects.count("silent") >= 2)


def test_a_server_of_another_protocol_is_not_a_video() -> None:
    def talk_http(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    with answering(talk_http) as address:
        assert set(failing(address).reasons) == {"not_a_video"}


def test_an_error_of_the_server_is_reported_as_such() -> None:
    def fail(connection: socket.socket) -> None:
        request = connection.recv(4000).decode()
        sequence = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
        connection.sendall(f"RTSP/1.0 503 Service Unavailable\r\n{sequence}\r\n\r\n".encode())
        connection.close()

    with answering(fail) as address:
        assert set(failing(address).reasons) == {"server_error"}


def test_stop_ends_a_camera_that_is_being_opened() -> None:
    accepted = threading.Event()
    with answering(lambda connection: accepted.set()) as address, WatchedCamera(address) as camera:
        accepted.wait()
        camera.stop()
        assert camera.states == ["connecting", "ended"]


# -- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "password"), [(None, None), ("bob", "falsch"), ("niemand", "geheim")])
def test_without_the_right_password_the_camera_is_unauthorised(
    guarded: RtspServer, user: str | None, password: str | None
) -> None:
    camera = failing(guarded.url("/clip", user, password))
    assert set(camera.reasons) == {"unauthorised"}
    assert "password" in camera.statuses[1].message


def test_no_password_is_ever_shown(
    guarded: RtspServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    av.logging.restore_default_callback()  # as an application might: FFmpeg then prints to the terminal
    try:
        with caplog.at_level(logging.DEBUG):
            cameras = [failing(guarded.url("/clip", "bob", "Hasenfuss"))]
            cameras.append(failing(guarded.url("/nowhere", "bob", "geheim")))
            with answering(lambda connection: connection.close()) as address:
                cameras.append(failing(address))
            with WatchedCamera(guarded.url("/clip", "bob", "geheim")) as camera:
                wait_until(lambda: len(camera.frames) >= 3)
                cameras.append(camera)
    finally:
        av.logging.set_level(None)
    printed = capfd.readouterr()
    shown = caplog.text + printed.out + printed.err + "".join(repr(camera.statuses) for camera in cameras)
    assert "camera cam" in shown
    for secret in ("geheim", "Hasenfuss", "bob"):
        assert secret not in shown
