"""Native RTSP with a scripted server: missing UDP, certificates, recovery points, damage, fallback to FFmpeg."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from stream.settings.engine import CameraConfig
from stream.sources.open_transport import make_opener
from stream.sources.rtsp.receiver import RtpReceiver
from stream.sources.transport import StoppedError
from support.engines.own_authority import OwnAuthority
from support.engines.small_clips import make_clip
from support.engines.watched_camera import WatchedCamera
from support.open_files import open_files
from support.rtp.nal_units import nal_type
from support.rtp.packetiser import StreamPacketiser, TimedPacket
from support.rtp.stream_corpus import CorpusStream, corpus_stream
from support.rtsp_servers.scripted_rtsp import ScriptedRtspServer, _Connection, description_of
from support.waiting import wait_until

MAIN, SLICES = corpus_stream("h264_main"), corpus_stream("h264_slices")


def server_of(stream: CorpusStream, packetiser: StreamPacketiser | None = None, turns: int = 1) -> ScriptedRtspServer:
    return ScriptedRtspServer((packetiser or StreamPacketiser()).packets(stream, turns), description_of(stream))


def plays(server: ScriptedRtspServer, source: str | None = None, pictures: int = 5, **settings: Any) -> WatchedCamera:
    """Watch a camera until it has given this many correct pictures, and return it stopped."""
    with WatchedCamera(source or server.url(), **{"transport": "native", "slots": 64, **settings}) as camera:
        wait_until(lambda: len(camera.frames) >= pictures)
    shown = {picture.digest for picture in MAIN.shown} | {picture.digest for picture in SLICES.shown}
    assert {taken.digest for taken in camera.frames} <= shown
    assert camera.discarded == []
    return camera


def fails_with(source: str, reason: str, words: str, **settings: Any) -> WatchedCamera:
    """Watch a camera until it fails with this reason, and return it stopped. It may have failed otherwise before."""
    with WatchedCamera(source, **{"transport": "native", **settings}) as camera:
        wait_until(lambda: any(status.reason == reason and words in status.message for status in camera.statuses))
    assert not camera.reader.ever_live
    return camera


def refused(source: str, attempts: int = 2, **settings: Any) -> WatchedCamera:
    """Watch a camera until it has failed `attempts` times, and return it stopped."""
    with WatchedCamera(source, **{"transport": "native", **settings}) as camera:
        wait_until(lambda: len(camera.reconnects) >= attempts)
    assert not camera.reader.ever_live
    assert "geheim" not in str(camera.statuses)
    return camera


# -- UDP -------------------------------------------------------------------------------------------------------------


def test_packets_of_other_senders_at_a_cameras_udp_port_are_ignored() -> None:
    with server_of(MAIN) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        with WatchedCamera(server.url(), transport="native", lower_transport="udp", slots=64) as camera:
            wait_until(lambda: camera.live)
            asked = next(request for request in server.requests if request.method == "SETUP").headers["transport"]
            port = int(asked.partition("client_port=")[2].partition("-")[0])
            for packet in server.packets[40:]:
                stranger.sendto(packet.data, ("127.0.0.1", port))
            wait_until(lambda: len(camera.frames) >= 20)
        assert [taken.number for taken in camera.frames[:20]] == list(range(20))
        assert camera.discarded == []


# -- passwords --------------------------------------------------------------------------------------------------------


# -- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OwnAuthority:
    return OwnAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(authority: OwnAuthority) -> ScriptedRtspServer:
    return ScriptedRtspServer(StreamPacketiser().packets(MAIN), description_of(MAIN), tls=authority.server_context())


@pytest.mark.parametrize("transport", ["auto", "native", "ffmpeg"])
def test_an_untrusted_certificate_is_refused(secured: ScriptedRtspServer, transport: str) -> None:
    with secured as server:
        camera = refused(server.url(), transport=transport)
        assert camera.fallbacks == []
        assert "PLAY" not in server.methods()
        assert set(camera.reasons) == {"untrusted"}
        assert "tls_fingerprint" in camera.statuses[1].message


@pytest.mark.parametrize(("written", "why"), [(None, "No such file"), ("", "no certificate in PEM")])
def test_an_unusable_certificate_file_is_named_instead_of_the_server(
    secured: ScriptedRtspServer, tmp_path: Path, written: str | None, why: str
) -> None:
    if written is not None:
        (tmp_path / "ca.pem").write_text(written)
    with secured as server:
        camera = refused(server.url(), attempts=1, transport="auto", tls_certificates=tmp_path / "ca.pem")
    assert set(camera.reasons) == {"untrusted"}
    assert "tls_certificates" in camera.statuses[1].message and why in camera.statuses[1].message


# -- silence ------------------------------------------------------------------------------------------------------


def test_a_server_that_never_answers_differs_from_one_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fails_with(f"rtsps://127.0.0.1:{mute.getsockname()[1]}/x", "silent", "did not answer for", start_timeout_s=0.3)
    answer = _Connection._answer
    monkeypatch.setattr(_Connection, "_answer", lambda this, asked: asked.method == "SETUP" or answer(this, asked))
    with server_of(MAIN) as server:
        fails_with(server.url(), "silent", "did not answer all requests", start_timeout_s=0.3)


# -- recovery points -----------------------------------------------------------------------------------------------


def without_keyframes(packets: Sequence[TimedPacket]) -> list[TimedPacket]:
    """Return the packets of all pictures but keyframes and the first."""
    timestamps = list(dict.fromkeys(packet.data[4:8] for packet in packets))
    keys = {packet.data[4:8] for packet in packets if nal_type("h264", packet.data[12:]) in (5, 7, 24)}
    keys |= {p.data[4:8] for p in packets if p.data[12] & 31 == 28 and p.data[13] & 31 == 5}
    return [packet for packet in packets if packet.data[4:8] not in keys and packet.data[4:8] != timestamps[0]]


def test_a_stream_without_keyframes_gives_no_picture_and_the_error_says_what_to_set() -> None:
    stream = corpus_stream("h264_main")
    server = ScriptedRtspServer(without_keyframes(StreamPacketiser().packets(stream, 4)), description_of(stream))
    with server:
        camera = fails_with(server.url(), "timeout", "keyframe interval", start_timeout_s=1.5)
        assert "awaiting_keyframe" in camera.discarded


def test_a_stream_without_a_keyframe_for_too_long_after_a_loss_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.sources.reader.NO_RECOVERY_AFTER_S", 0.5)
    packets = [packet for packet in StreamPacketiser().packets(MAIN) if packet.at != 5 * 3600]
    with ScriptedRtspServer(packets, description_of(MAIN)) as server:
        with WatchedCamera(server.url(), transport="native", stall_timeout_s=0.2) as camera:
            wait_until(lambda: any("no keyframe from" in status.message for status in camera.statuses))
        message = next(status.message for status in camera.statuses if "no keyframe from" in status.message)
        assert "keyframe interval" in message


# -- fallback to FFmpeg ----------------------------------------------------------------------------------------------


def test_a_stream_unsupported_by_native_rtsp_is_read_by_ffmpeg(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.avi", frames=50, codec="mjpeg", pixels="yuvj420p")
    with RtspServer(files={"/clip": clip}) as server:
        with WatchedCamera(server.url("/clip")) as camera:
            wait_until(lambda: len(camera.frames) >= 5)
            assert camera.fallbacks == ["codec"]
            assert camera.statuses[-1].message.startswith(
                "live; read by the FFmpeg backend, one frame later: native RTSP"
            )
        told = refused(server.url("/clip"), attempts=1)
        assert "Try transport: ffmpeg" in told.statuses[1].message


def test_a_stream_of_h264_in_unsupported_packets_is_an_error_that_names_the_other_backend() -> None:
    packets = list(StreamPacketiser(mtu=500).packets(MAIN, 2))
    at = next(number for number, packet in enumerate(packets) if packet.at > 8 * 3600)
    stap_b = packets[at].data[:12] + b"\x19" + packets[at].data[13:]
    packets[at] = TimedPacket(packets[at].at, stap_b)
    with (
        ScriptedRtspServer(packets, description_of(MAIN)) as server,
        WatchedCamera(server.url(), transport="auto") as camera,
    ):
        wait_until(lambda: len(camera.reconnects) >= 2)
        assert camera.fallbacks == []
        assert any("Try transport: ffmpeg" in status.message for status in camera.statuses)


# -- damage ----------------------------------------------------------------------------------------------------------


def mutated(packets: Sequence[TimedPacket], seed: int) -> list[TimedPacket]:
    chance = random.Random(seed)
    made: list[TimedPacket] = []
    for packet in packets:
        data = bytearray(packet.data)
        match chance.randrange(8):
            case 0:
                data = data[: chance.randrange(len(data))]
            case 1:
                for _ in range(chance.randrange(1, 8)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            case 2:
                data = bytearray(chance.randbytes(chance.randrange(1, 200)))
            case _:
                pass
        made.append(TimedPacket(packet.at // 8, bytes(data) or b"\x80"))
    return made


@pytest.mark.parametrize("name", ["h264_slices", "hevc_slices"])
@pytest.mark.parametrize("carried", ["tcp", "udp"])
def test_damaged_packets_cause_no_internal_error(name: str, carried: str) -> None:
    stream = corpus_stream(name)
    packets = StreamPacketiser(mtu=200).packets(stream)
    server = ScriptedRtspServer(mutated(packets, 1), description_of(stream))
    with server, WatchedCamera(server.url(), transport="auto", lower_transport=carried, slots=64) as camera:
        for seed in range(2, 6):
            wait_until(lambda seed=seed: server.methods().count("PLAY") >= seed - 1)
            server.packets = mutated(packets, seed)
            server.hang_up()
    assert not {"internal_error"} & set(camera.reasons)


def test_an_internal_error_is_reported_as_such_and_the_camera_reconnects(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take = RtpReceiver.packet

    def fail(receiver: RtpReceiver, packet: memoryview, now_ns: int) -> None:
        take(receiver, packet, now_ns)
        if receiver.packets >= 60 and "LookupError" not in caplog.text:
            raise LookupError("an internal error")

    monkeypatch.setattr(RtpReceiver, "packet", fail)
    with server_of(MAIN) as server, WatchedCamera(server.url(), transport="native") as camera:
        wait_until(lambda: camera.live and camera.statuses[-1].epoch == 2)
    assert camera.reasons[0] == "internal_error"
    assert "in fail" in caplog.text


@pytest.mark.parametrize("moment", ["DESCRIBE", "PLAY"])
def test_garbage_between_messages_is_a_typed_error_and_the_camera_recovers(moment: str) -> None:
    chance = random.Random(7)
    with server_of(MAIN) as server:
        with WatchedCamera(server.url(), transport="auto", slots=64) as camera:
            for _ in range(4):
                seen = server.methods().count(moment)
                wait_until(lambda seen=seen: server.methods().count(moment) > seen or camera.live)
                server.say(b"\x00" + chance.randbytes(200_000))
                server.hang_up()
            wait_until(lambda: camera.live)
        assert not {"internal_error"} & set(camera.reasons)


def test_connections_leave_no_thread_and_no_descriptor_behind() -> None:
    with server_of(MAIN) as server:
        plays(server, pictures=2)
        before = set(threading.enumerate()), open_files()
        for carried in ("tcp", "udp") * 4:
            plays(server, pictures=2, lower_transport=carried)

        wait_until(lambda: open_files() <= before[1] and set(threading.enumerate()) <= before[0])


def test_opening_a_camera_ends_at_once_when_it_is_stopped() -> None:
    stopping = threading.Event()
    with server_of(MAIN) as server:
        server.silent = True
        config = CameraConfig(id="cam", source=server.url(), transport="native")  # pyright: ignore[reportArgumentType, reportCallIssue]
        transport = make_opener(config, stopping, lambda reason: None)

        def stop_once_it_waits() -> None:
            wait_until(lambda: "PLAY" in server.methods())
            stopping.set()

        threading.Thread(target=stop_once_it_waits).start()
        with pytest.raises(StoppedError):
            transport.open()
        transport.close()
