"""A camera that means harm can take little memory through the FFmpeg backend, and gets no password by a redirect."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from pathlib import Path

import pytest

from stream.sources.rtsp import ffmpeg_transport
from support.engines.watched_camera import WatchedCamera
from support.rtp.stream_corpus import corpus_stream
from support.rtsp_servers.scripted_rtsp import ScriptedRtspServer, description_of
from support.waiting import wait_until

ENOUGH_BYTES = 20 << 20
"""What a camera sends before it is judged, unless two attempts have ended earlier."""
FORMATS = {
    "H264": b"\x09\x10" + bytes(16),  # an access unit delimiter of 18 bytes
    "VP8": b"\x10" + bytes(1200),
    "H263-1998": b"\x04\0" + bytes(1200),
}


class HarmfulCamera:
    """Answers as an RTSP server, and then sends the payload over and over in one picture without an end."""

    def __init__(self, encoding: str, body_bytes: int | None = None) -> None:
        self._payload = FORMATS[encoding]
        self._encoding = encoding
        self._body_bytes = body_bytes
        self._ending = threading.Event()
        self.sent = 0

    def __enter__(self) -> HarmfulCamera:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._server.close()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/cam"

    def _serve(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(OSError):
                client, _ = self._server.accept()
                with client:
                    client.settimeout(1.0)
                    self._harm(client)

    def _harm(self, client: socket.socket) -> None:
        body = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
            f"a=rtpmap:96 {self._encoding}/90000\r\na=control:1\r\n"
        )
        while not self._ending.is_set():
            asked = client.recv(4096).decode()
            if not asked:
                return
            number = asked.lower().partition("cseq:")[2].split("\r\n")[0].strip()
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n"
            if asked.startswith("DESCRIBE"):
                size = self._body_bytes or len(body)
                head += f"Content-Type: application/sdp\r\nContent-Length: {size}\r\n\r\n{body}"
            else:
                head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
            client.sendall(head.encode())
            if asked.startswith("PLAY") or (self._body_bytes and asked.startswith("DESCRIBE")):
                self._flood(client)

    def _flood(self, client: socket.socket) -> None:
        sequence = 0
        while not self._ending.is_set():
            packets = b""
            for _ in range(200):
                at = sequence * 90 if self._encoding == "H264" else 0
                rtp = struct.pack(">BBHII", 0x80, 96, sequence & 0xFFFF, at & 0xFFFFFFFF, 1) + self._payload
                packets += b"$\0" + struct.pack(">H", len(rtp)) + rtp
                sequence += 1
            client.sendall(packets)
            self.sent += len(packets)


def children() -> list[Path]:
    """Return the directories of the FFmpeg backend's processes."""
    found: list[Path] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (process / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == os.getpid() and b"ffmpeg_child" in (process / "cmdline").read_bytes():
                found.append(process)
    return found


def resident() -> int:
    """Return the memory of this process and of those."""
    total = 0
    for process in [Path("/proc/self"), *children()]:
        with contextlib.suppress(OSError):
            total += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


@pytest.mark.parametrize(("encoding", "body_bytes"), [("H264", None), ("H263-1998", None), ("VP8", 2_147_483_000)])
def test_a_harmful_camera_takes_little_memory_and_none_once_it_is_removed(
    encoding: str, body_bytes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg_transport, "DATA_BYTES", 128 << 20)
    before = resident()
    most = 0

    def has_harmed() -> bool:
        nonlocal most
        most = max(most, resident())
        return harmful.sent >= ENOUGH_BYTES or len(camera.reconnects) >= 2

    with HarmfulCamera(encoding, body_bytes) as harmful:
        with WatchedCamera(harmful.url, transport="ffmpeg", start_timeout_s=20.0) as camera:
            wait_until(lambda: bool(children()))
            wait_until(has_harmed)
        wait_until(lambda: not children())
    assert most - before < 300 << 20
    assert resident() - before < 64 << 20


def test_a_camera_of_h264_that_sends_no_picture_is_not_left_to_ffmpeg() -> None:
    with HarmfulCamera("H264") as harmful, WatchedCamera(harmful.url, start_timeout_s=0.2) as camera:
        wait_until(lambda: len(camera.reconnects) >= 2)
        assert camera.fallbacks == [] and not children()


def test_ffmpeg_follows_no_redirect_with_the_password() -> None:
    stream = corpus_stream("h264_main")
    with (
        ScriptedRtspServer([], description_of(stream), scheme="basic", login=("bob", "geheim")) as elsewhere,
        ScriptedRtspServer([], description_of(stream), redirect=elsewhere.url()) as server,
        WatchedCamera(server.url("bob", "geheim"), transport="ffmpeg") as camera,
    ):
        wait_until(lambda: "server_error" in camera.reasons)
        assert "redirects" in camera.statuses[1].message and "geheim" not in camera.statuses[1].message
        assert elsewhere.requests == []
