"""RTSP servers of other authors, read with FFmpeg: their streams are complete, and tests can control them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.error
import pytest

from support.rtp.stream_corpus import CorpusStream, corpus_stream, digest_of
from support.rtsp_servers.aio_rtsp import AioRtspServer
from support.rtsp_servers.rtsp_rs import RtspRsServer
from support.rtsp_servers.server_process import ServerProcess, listens
from support.rtsp_servers.vlc import VlcServer
from support.waiting import wait_until

MAIN = corpus_stream("h264_main")
MAKERS: dict[str, Callable[[], ServerProcess]] = {
    "vlc": lambda: VlcServer(MAIN),
    "aio_rtsp": lambda: AioRtspServer(MAIN),
    "rtsp_rs": lambda: RtspRsServer(MAIN),
}
LOWER_TRANSPORT = {"vlc": "udp", "aio_rtsp": "tcp", "rtsp_rs": "udp"}


@pytest.fixture(scope="module", params=list(MAKERS))
def server(request: pytest.FixtureRequest) -> Iterator[tuple[ServerProcess, str]]:
    with MAKERS[request.param]() as running:
        yield running, LOWER_TRANSPORT[request.param]


def test_the_servers_stream_is_bit_exact(server: tuple[ServerProcess, str]) -> None:
    running, lower = server
    numbers = played(running.url(), lower, MAIN, 15)
    assert numbers == [(numbers[0] + count) % 50 for count in range(15)]


def test_the_server_refuses_the_other_lower_transport(server: tuple[ServerProcess, str]) -> None:
    running, lower = server
    with pytest.raises(av.error.OSError, match="Protocol not supported"):
        played(running.url(), "tcp" if lower == "udp" else "udp", MAIN, 1)


def test_a_suspended_server_does_not_answer_and_a_killed_one_is_gone(server: tuple[ServerProcess, str]) -> None:
    running, lower = server
    port = running.port
    running.suspend()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1000)
        running.resume()
        connection.settimeout(None)
        assert connection.recv(1000).startswith(b"RTSP/1.0 ")
    running.kill()
    assert not listens(port)
    running.restart()
    assert running.port == port
    assert played(running.url(), lower, MAIN, 2)


def test_vlc_asks_for_a_password() -> None:
    with VlcServer(MAIN, login=("bob", "geheim")) as running:
        with pytest.raises(av.error.HTTPUnauthorizedError):
            played(running.url("bob", "falsch"), "udp", MAIN, 1)
        assert played(running.url("bob", "geheim"), "udp", MAIN, 2)


def test_the_server_ends_with_the_process_that_started_it() -> None:
    starts_it = (
        "import os, signal\n"
        "from support.rtsp_servers.vlc import VlcServer\n"
        "from support.rtp.stream_corpus import corpus_stream\n"
        "with VlcServer(corpus_stream('h264_main')) as server:\n"
        "    print(server.port, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with tempfile.TemporaryDirectory() as left_behind:
        Path(left_behind).chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": left_behind}
        command = [sys.executable, "-c", starts_it]
        died = subprocess.run(command, capture_output=True, check=False, env=environment)
        port = int(died.stdout)
        wait_until(lambda: not listens(port))


def played(address: str, lower: str, stream: CorpusStream, count: int) -> list[int]:
    """Return the numbers of the first `count` decoded pictures. Fails if one is not bit-exact."""
    numbers = {picture.digest: picture.number for picture in stream.shown}
    options = {"rtsp_transport": lower, "analyzeduration": "0", "probesize": "32", "flags": "low_delay"}
    with av.open(address, options=options) as container:
        found: list[int] = []
        for frame in container.decode(video=0):
            found.append(numbers[digest_of(frame)])
            if len(found) == count:
                break
    return found
