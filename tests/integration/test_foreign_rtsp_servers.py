"""RTSP servers of other authors are read by native RTSP, bit by bit; with the password, where they ask for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.engines.watched_camera import WatchedCamera
from support.rtp.stream_corpus import CorpusStream, corpus_stream
from support.rtsp_servers.aio_rtsp import AioRtspServer
from support.rtsp_servers.rtsp_rs import RtspRsServer
from support.rtsp_servers.server_process import ServerProcess
from support.rtsp_servers.vlc import VlcServer
from support.waiting import wait_until

SERVERS: dict[str, tuple[Callable[[CorpusStream], ServerProcess], str, str]] = {
    "vlc": (lambda stream: VlcServer(stream, login=("bob", "geheim")), "udp", "hevc_slices"),
    "aio_rtsp": (AioRtspServer, "tcp", "h264_slices"),
    "rtsp_rs": (RtspRsServer, "udp", "h264_slices"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_other_servers_are_read(server: str) -> None:
    make, lower, name = SERVERS[server]
    stream = corpus_stream(name)
    login = ("bob", "geheim") if server == "vlc" else ()
    with (
        make(stream) as running,
        WatchedCamera(running.url(*login), transport="native", lower_transport=lower, slots=32) as camera,
    ):
        wait_until(lambda: len(camera.frames) >= 20)
        taken = camera.frames[:20]
        assert {each.digest for each in taken} <= {picture.digest for picture in stream.shown}
        first = taken[0].number
        assert [each.number for each in taken] == [(first + n) % len(stream.shown) for n in range(20)]
        assert camera.discarded in ([], ["awaiting_keyframe"] * len(camera.discarded))
