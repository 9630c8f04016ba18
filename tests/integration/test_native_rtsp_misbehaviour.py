"""Native RTSP with a server that does what real ones rarely do: it is tolerated, or a clear error."""

from __future__ import annotations

import hashlib
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.sources.rtsp import client
from support.engines.own_authority import OwnAuthority
from support.engines.watched_camera import WatchedCamera
from support.rtp.packetiser import Markers, StreamPacketiser
from support.rtp.stream_corpus import CorpusStream, corpus_stream
from support.rtsp_servers.scripted_rtsp import ScriptedRtspServer, description_of
from support.waiting import wait_until

STREAM = corpus_stream("h264_short_gop")


def server_of(
    stream: CorpusStream = STREAM, markers: Markers = "last", tls: ssl.SSLContext | None = None
) -> ScriptedRtspServer:
    packets = StreamPacketiser(mtu=500, markers=markers).packets(stream, turns=100)
    return ScriptedRtspServer(packets, description_of(stream), tls=tls)


def watch(address: str, **settings: object) -> WatchedCamera:
    return WatchedCamera(address, slots=32, **{"transport": "native", **settings})


@pytest.fixture
def server() -> Iterator[ScriptedRtspServer]:
    with server_of() as running:
        yield running


# -- sessions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lower", ["tcp", "udp"])
def test_a_session_with_a_timeout_of_one_second_is_kept_alive_with_any_method(
    server: ScriptedRtspServer, lower: str
) -> None:
    server.session_timeout_s = 1.0
    with watch(server.url(), lower_transport=lower) as camera:
        wait_until(lambda: server.methods().count("GET_PARAMETER") >= 2)
        server.keep_alive = 405
        options = server.methods().count("OPTIONS")
        wait_until(lambda: server.methods().count("OPTIONS") >= options + 2)
        assert camera.reconnects == []
        assert_whole(camera)
    wait_until(lambda: server.methods()[-1] == "TEARDOWN")


@pytest.mark.parametrize("scheme", ["md5", "sha256"])
def test_a_stale_nonce_costs_no_frame(server: ScriptedRtspServer, scheme: str) -> None:
    server.session_timeout_s = 1.0
    server.login, server.scheme = ("bob", "geheim"), scheme  # pyright: ignore[reportAttributeAccessIssue]
    with watch(server.url("bob", "geheim")) as camera:
        wait_until(lambda: camera.live)
        for _ in range(2):
            server.renew_nonce()
            asked = len(server.requests)
            wait_until(lambda asked=asked: len(server.requests) >= asked + 2)
        seen = len(camera.frames)
        wait_until(lambda: len(camera.frames) >= seen + 5)
        assert server.connections == 1
        assert camera.reconnects == []
        assert_whole(camera)


# -- transports -----------------------------------------------------------------------------------------------------


def test_refused_or_lost_udp_is_replaced_by_tcp(server: ScriptedRtspServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "UDP_SILENCE_S", 0.5)
    with server_of() as losing:
        server.lower = frozenset({"tcp"})
        losing.silent = "udp"
        with (
            watch(server.url(), lower_transport="udp") as refused,
            watch(losing.url(), lower_transport="udp") as silent,
        ):
            wait_until(lambda: len(refused.frames) >= 5)
            assert refused.fallbacks == ["udp_refused"]
            wait_until(lambda: len(silent.frames) >= 5)
            assert silent.fallbacks == ["udp_silent"]
            assert "nothing arrived over UDP" in silent.statuses[-1].message
            assert_whole(refused)
            assert_whole(silent)


def test_a_redirect_is_followed_but_not_a_circle_of_redirects(server: ScriptedRtspServer) -> None:
    with server_of() as there:
        server.redirect = there.url()
        with watch(server.url()) as camera:
            wait_until(lambda: len(camera.frames) >= 3)
            assert "PLAY" in there.methods()
        there.redirect = server.url()
        with watch(server.url()) as camera:
            wait_until(lambda: len(camera.reconnects) >= 1)
            assert not camera.frames


@pytest.mark.parametrize("trust", ["certificates", "fingerprint"])
def test_rtsps_is_read_if_its_certificate_is_trusted(tmp_path: Path, trust: str) -> None:
    authority = OwnAuthority(tmp_path)
    with server_of(tls=authority.server_context()) as server:
        fingerprint = hashlib.sha256(
            ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))
        ).hexdigest()
        good = {"tls_certificates": authority.ca} if trust == "certificates" else {"tls_fingerprint": fingerprint}
        with watch(server.url(), **good) as camera:
            wait_until(lambda: len(camera.frames) >= 5)
            assert_whole(camera)
        wait_until(lambda: server.methods()[-1] == "TEARDOWN")
        bad = {} if trust == "certificates" else {"tls_fingerprint": "ab" * 32}
        asked = len(server.requests)
        with watch(server.url(), **bad) as camera:
            wait_until(lambda: len(camera.reconnects) >= 2)
            assert set(camera.reasons) == {"untrusted"}
        assert len(server.requests) == asked  # it received no request


def test_a_required_certificate_is_required_after_a_redirect_too(tmp_path: Path, server: ScriptedRtspServer) -> None:
    with server_of(tls=OwnAuthority(tmp_path).server_context()) as secured:
        secured.redirect = server.url()
        certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", secured.port)))
        with watch(secured.url(), tls_fingerprint=hashlib.sha256(certificate).hexdigest()) as camera:
            wait_until(lambda: len(camera.reconnects) >= 1)
        assert set(camera.reasons) == {"untrusted"}
    assert server.requests == []


# -- unexpected data ------------------------------------------------------------------------------------------------


def test_requests_of_the_server_are_answered_and_change_nothing(server: ScriptedRtspServer) -> None:
    with watch(server.url()) as camera:
        wait_until(lambda: camera.live)
        for method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "NONSENSE"):
            server.say(f"{method} * RTSP/1.0\r\nCSeq: 7\r\n\r\n".encode())
        seen = len(camera.frames)
        wait_until(lambda: len(camera.frames) >= seen + 10)
        assert camera.reconnects == []
        assert_whole(camera)


def test_no_error_shows_a_password(server: ScriptedRtspServer, caplog: pytest.LogCaptureFixture) -> None:
    server.login = ("bob", "geheim")
    with caplog.at_level(logging.DEBUG), watch(server.url("bob", "Hasenfuss")) as camera:
        wait_until(lambda: "unauthorised" in camera.reconnects)
        server.login = None
        server.redirect = "rtsp://bob:Hasenfuss@127.0.0.1:1/x"
        wait_until(lambda: "refused" in camera.reconnects)
        server.redirect = None
        wait_until(lambda: camera.live)
        server.say(bytes(range(256)) * 1024)
        wait_until(lambda: camera.statuses[-1].epoch == 2)
    shown = caplog.text + repr(camera.statuses)
    assert "camera cam" in shown
    for secret in ("Hasenfuss", "bob"):
        assert secret not in shown


def assert_whole(camera: WatchedCamera, stream: CorpusStream = STREAM) -> None:
    """Check that every picture is what FFmpeg decodes from the stream itself."""
    assert camera.frames
    assert [taken.number for taken in camera.frames if taken.digest != stream.shown[taken.number].digest] == []
