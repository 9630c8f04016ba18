"""The tests' scripted RTSP server and its RTP packets, read with FFmpeg: they misbehave only as scripted."""

from __future__ import annotations

import re
import socket
import ssl
from itertools import pairwise
from pathlib import Path

import av
import av.error
import pytest

from support.engines.own_authority import OwnAuthority
from support.rtp.packetiser import HEADER, Markers, StreamPacketiser
from support.rtp.stream_corpus import CorpusStream, corpus_stream, digest_of
from support.rtsp_servers.scripted_rtsp import ScriptedRtspServer, description_of

MAIN = corpus_stream("h264_main")


def server_of(stream: CorpusStream, packetiser: StreamPacketiser | None = None) -> ScriptedRtspServer:
    return ScriptedRtspServer((packetiser or StreamPacketiser()).packets(stream), description_of(stream))


@pytest.mark.parametrize(
    "name", ["h264_slices", "h264_b_pyramid", "h264_out_of_band", "hevc_slices", "hevc_out_of_band"]
)
@pytest.mark.parametrize("aggregate", [False, True])
def test_ffmpeg_decodes_every_picture_from_the_packets(name: str, aggregate: bool) -> None:
    stream = corpus_stream(name)
    with server_of(stream, StreamPacketiser(aggregate=aggregate, mtu=300)) as server:
        assert played(server.url(), 8) == [picture.digest for picture in stream.shown[:8]]


def test_ffmpeg_decodes_the_same_pictures_over_udp() -> None:
    with server_of(MAIN) as server:
        assert played(server.url(), 8, "udp") == [picture.digest for picture in MAIN.shown[:8]]


@pytest.mark.parametrize(
    ("markers", "expected"), [("last", 50), ("none", 0), ("all", None), ("each_nal", 205), ("parameter_sets", 55)]
)
def test_markers_are_set_as_configured(markers: Markers, expected: int | None) -> None:
    packets = StreamPacketiser(markers=markers).packets(corpus_stream("h264_slices"))
    marked = sum(packet.data[1] >> 7 for packet in packets)
    assert marked == (len(packets) if expected is None else expected)


def test_sequence_numbers_and_timestamps_wrap() -> None:
    headers = [HEADER.unpack_from(packet.data) for packet in StreamPacketiser().packets(MAIN, turns=2)]
    sequences = [header[2] for header in headers]
    assert {(after - before) % 65536 for before, after in pairwise(sequences)} == {1}
    assert min(sequences) == 0
    assert len({header[3] for header in headers}) == 100
    assert min(header[3] for header in headers) < 3600


# -- passwords, redirects, TLS --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["basic", "md5"])
def test_the_right_password_is_accepted_and_a_wrong_one_is_not(scheme: str) -> None:
    with server_of(MAIN) as server:
        server.login, server.scheme = ("bob", "geheim"), scheme  # pyright: ignore[reportAttributeAccessIssue]
        assert len(played(server.url("bob", "geheim"), 2)) == 2
        with pytest.raises(av.error.HTTPUnauthorizedError):
            played(server.url("bob", "falsch"), 1)
        server.login = ("bob", "other")
        assert len(played(server.url("bob", "other"), 2)) == 2


def test_a_nonce_can_go_stale() -> None:
    with server_of(MAIN) as server, Talk(server) as say:
        server.login = ("bob", "geheim")
        first = say("DESCRIBE", "/cam")
        server.renew_nonce()
        second = say("DESCRIBE", "/cam", 'Authorization: Digest username="bob", nonce="old"')
        assert 'realm="scripted"' in first and "stale" not in first
        assert "stale=true" in second
        nonces = re.findall(r'nonce="(\w+)"', first + second)
        assert len(set(nonces)) == 2


def test_a_redirect_leads_to_the_other_server() -> None:
    with server_of(MAIN) as here, server_of(MAIN) as there:
        here.redirect = there.url()
        assert len(played(here.url(), 2)) == 2
        assert here.methods().count("DESCRIBE") == 1
        assert "PLAY" in there.methods()


def test_the_servers_certificate_is_signed_by_the_tests_authority(tmp_path: Path) -> None:
    authority = OwnAuthority(tmp_path)
    server = ScriptedRtspServer(StreamPacketiser().packets(MAIN), description_of(MAIN), tls=authority.server_context())
    with server, socket.create_connection(("127.0.0.1", server.port)) as plain:
        trusting = ssl.create_default_context(cafile=str(authority.ca))
        with trusting.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            assert connection.recv(1000).startswith(b"RTSP/1.0 200 OK")
        assert len(played(server.url(), 2)) == 2  # FFmpeg does not verify it by default


# -- misbehaviour ----------------------------------------------------------------------------------------------------


def test_an_unsupported_lower_transport_is_refused() -> None:
    with server_of(MAIN) as server:
        server.lower = frozenset({"tcp"})
        with pytest.raises(av.error.OSError, match="Protocol not supported"):
            played(server.url(), 1, "udp")
        assert len(played(server.url(), 2)) == 2


def test_the_server_can_be_silent_over_udp_alone() -> None:
    with server_of(MAIN) as server:
        server.silent = "udp"
        assert len(played(server.url(), 2)) == 2
        with pytest.raises((av.error.FFmpegError, IndexError)):
            played(server.url(), 1, "udp", timeout_s=0.5)
        assert server.methods().count("PLAY") == 2


def test_a_client_is_disconnected_once_it_sends_no_requests() -> None:
    with server_of(MAIN) as server:
        server.silent = True
        with Talk(server) as say:
            say("SETUP", "/cam", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            say("PLAY", "/cam")
            assert "200 OK" in say("GET_PARAMETER", "/cam")
            server.ends_sessions_after_s = 0.1
            assert "200 OK" in say("GET_PARAMETER", "/cam")
            assert say("", "") == ""


def test_the_server_can_send_any_bytes_and_disconnect() -> None:
    with server_of(MAIN) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert connection.recv(1000).startswith(b"RTSP/1.0 200 OK")
        server.say(b"garbage")
        assert connection.recv(1000) == b"garbage"
        assert server.connections == 1
        server.hang_up()
        assert connection.recv(1000) == b""


def test_an_unsupported_keep_alive_is_neither_offered_nor_accepted() -> None:
    with server_of(MAIN) as server, Talk(server) as say:
        assert "GET_PARAMETER" in say("OPTIONS", "*")
        server.keep_alive = 405
        assert "GET_PARAMETER" not in say("OPTIONS", "*")
        assert say("GET_PARAMETER", "/cam").startswith("RTSP/1.0 405")


# -- requests -------------------------------------------------------------------------------------------------------


class Talk:
    """A connection: `say(method, path, header)` returns the text of the response. Without a method it only receives."""

    def __init__(self, server: ScriptedRtspServer) -> None:
        self._connection = socket.create_connection(("127.0.0.1", server.port))
        self._sequence = 0

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __call__(self, method: str, path: str, header: str = "") -> str:
        self._sequence += 1
        lines = [f"{method} {path} RTSP/1.0", f"CSeq: {self._sequence}", *([header] if header else [])]
        if method:
            self._connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self._connection.recv(4000).decode()


def played(address: str, count: int, lower: str = "tcp", timeout_s: float | None = None) -> list[int]:
    """Return the digests of the first `count` decoded pictures."""
    options = {"rtsp_transport": lower, "analyzeduration": "0", "probesize": "32", "flags": "low_delay"}
    with av.open(address, options=options, timeout=timeout_s) as container:
        return [digest_of(frame) for frame, _ in zip(container.decode(video=0), range(count))]
