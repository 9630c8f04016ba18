"""The RTSP server of tests, benchmarks and demo: it starts, says what is missing, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_clips import make_clip

from benchmarks import rtsp_server
from benchmarks.rtsp_server import RtspServer, RtspServerError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.mp4", frames=10)


def can_connect(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except ConnectionRefusedError:
        return False


def test_it_listens_once_entered_and_is_gone_once_left(clip: Path) -> None:
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


def test_it_is_killed_even_while_it_is_suspended(clip: Path) -> None:
    with RtspServer(files={"/clip": clip}) as server:
        server.suspend()
        port = server.port
    assert not can_connect(port)


def test_it_ends_with_the_process_that_started_it(clip: Path) -> None:
    starts_it = (
        "import os, signal, sys; from pathlib import Path; from benchmarks.rtsp_server import RtspServer\n"
        "with RtspServer(files={'/clip': Path(sys.argv[1])}) as server:\n"
        "    print(server.port, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", starts_it, str(clip)], capture_output=True, timeout=30, check=False)
    port = int(died.stdout)
    deadline = time.monotonic() + 5
    while can_connect(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_gstreamer_it_names_the_packages(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_server, "SYSTEM_PYTHON", Path(sys.executable))  # a Python without the gi bindings
    with pytest.raises(RtspServerError, match=r"No module named 'gi'.*apt-get install .*python3-gi"):
        RtspServer(files={"/clip": clip}).__enter__()


def test_without_debians_python_it_names_the_packages(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_server, "SYSTEM_PYTHON", Path("/nowhere/python3"))
    with pytest.raises(RtspServerError, match=r"apt-get install .*gir1.2-gst-rtsp-server-1.0"):
        RtspServer(files={"/clip": clip}).__enter__()


def test_a_port_that_is_taken_is_said_to_be(clip: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(RtspServerError, match="can't be listened on"):
        RtspServer(files={"/clip": clip}, port=taken.getsockname()[1]).__enter__()


def test_a_clip_in_another_coding_is_refused(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.avi", frames=5, codec="mpeg4")
    with pytest.raises(RtspServerError, match=r"H.264, H.265 and MJPEG, this is mpeg4"):
        RtspServer(files={"/clip": clip}).__enter__()


def test_it_must_be_entered_before_it_is_started(clip: Path) -> None:
    with pytest.raises(RtspServerError, match="context manager"):
        RtspServer(files={"/clip": clip}).start()
