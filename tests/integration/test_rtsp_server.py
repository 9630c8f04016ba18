"""The RTSP server of tests, benchmarks and demo: it starts, names missing packages, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import av
import av.error
import pytest

from benchmarks.cameras import rtsp_server
from benchmarks.cameras.rtsp_server import RtspServer, RtspServerError
from support.engines.small_clips import make_clip
from support.rtp.nal_units import nal_type, nal_units
from support.rtp.stream_corpus import corpus_stream
from support.waiting import wait_until


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", frames=10)


def can_connect(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except ConnectionError:
        return False


def test_the_server_listens_inside_its_context_and_is_gone_after_it(clip: Path) -> None:
    with RtspServer(files={"/clip": clip}) as server:
        port, process = server.port, server.pid
        assert port > 0
        assert can_connect(port)
    assert not can_connect(port)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_restart_keeps_the_port(clip: Path) -> None:
    with RtspServer(files={"/clip": clip}) as server:
        port, process = server.port, server.pid
        server.restart()
        assert server.port == port
        assert server.pid != process
        assert can_connect(port)


def test_a_suspended_server_can_be_killed(clip: Path) -> None:
    with RtspServer(files={"/clip": clip}) as server:
        server.suspend()
        port = server.port
    assert not can_connect(port)


def test_the_server_ends_with_the_process_that_started_it(clip: Path) -> None:
    starts_it = (
        "import os, signal, sys; from pathlib import Path; from benchmarks.cameras.rtsp_server import RtspServer\n"
        "with RtspServer(files={'/clip': Path(sys.argv[1])}) as server:\n"
        "    print(server.port, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", starts_it, str(clip)], capture_output=True, check=False)
    port = int(died.stdout)
    wait_until(lambda: not can_connect(port))


def test_without_gstreamer_the_error_names_the_packages(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_server, "SYSTEM_PYTHON", Path(sys.executable))  # a Python without the gi bindings
    with pytest.raises(RtspServerError, match=r"No module named 'gi'.*apt-get install .*python3-gi"):
        RtspServer(files={"/clip": clip}).__enter__()


def test_without_debians_python_the_error_names_the_packages(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_server, "SYSTEM_PYTHON", Path("/nowhere/python3"))
    with pytest.raises(RtspServerError, match=r"apt-get install .*gir1.2-gst-rtsp-server-1.0"):
        RtspServer(files={"/clip": clip}).__enter__()


def test_a_port_in_use_is_reported(clip: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(RtspServerError, match="cannot listen on port"):
        RtspServer(files={"/clip": clip}, port=taken.getsockname()[1]).__enter__()


def test_a_clip_of_another_codec_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.avi", frames=5, codec="mpeg4")
    with pytest.raises(RtspServerError, match=r"H.264, H.265 and MJPEG, this is mpeg4"):
        RtspServer(files={"/clip": clip}).__enter__()


def test_the_server_cannot_be_started_outside_its_context(clip: Path) -> None:
    with pytest.raises(RtspServerError, match="context manager"):
        RtspServer(files={"/clip": clip}).start()


@pytest.mark.parametrize(
    ("name", "kinds"), [("h264_main", {7, 8}), ("h264_out_of_band", set()), ("hevc_out_of_band", set())]
)
def test_units_are_sent_unchanged_with_parameter_sets_in_band_or_out_of_band(
    tmp_path: Path, name: str, kinds: set[int]
) -> None:
    stream = corpus_stream(name)
    with RtspServer(files={"/units": stream.write_units(tmp_path / "stream.units")}) as server:
        played = packets(server.url("/units"), 5)
    sets = {nal_type(stream.codec, nal) for nal in stream.parameter_sets}
    came = [nal for packet in played for nal in nal_units(packet)]
    assert {nal_type(stream.codec, nal) for nal in came} & sets == kinds
    slices = [nal for nal in came if nal_type(stream.codec, nal) in (1, 5, 20)]
    assert slices == [nal_units(unit.data)[-1] for unit in stream.units[:5]]


def test_the_server_requires_a_digest_password_and_accepts_a_new_one_after_a_restart(clip: Path) -> None:
    with RtspServer(files={"/clip": clip}, users={"bob": "first"}, digest=True) as server:
        assert challenge(server.port).startswith(b"Digest ")
        assert len(packets(server.url("/clip", "bob", "first"), 2)) == 2
        server.restart(users={"bob": "second"})
        with pytest.raises(av.error.HTTPUnauthorizedError):
            packets(server.url("/clip", "bob", "first"), 1)
        assert len(packets(server.url("/clip", "bob", "second"), 2)) == 2


def packets(address: str, count: int) -> list[bytes]:
    options = {"rtsp_transport": "tcp", "analyzeduration": "0", "probesize": "32"}
    with av.open(address, options=options) as container:
        return [bytes(packet) for packet, _ in zip(container.demux(video=0), range(count))]


def challenge(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"DESCRIBE rtsp://127.0.0.1:{port}/clip RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        answer = connection.recv(4096)
    (line,) = [line for line in answer.split(b"\r\n") if line.lower().startswith(b"www-authenticate:")]
    return line.partition(b":")[2].strip()
