"""Whole sessions with the peculiarities of particular cameras and servers."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.protocol.framing import Framing
from stream.sources.rtsp.protocol.session import Event, Playing, Prepared, RtspSession, Send
from stream.sources.rtsp.protocol.transport_header import InterleavedDelivery
from support.rtsp_servers.camera_descriptions import AXIS, DAHUA, HIKVISION, MEDIAMTX, REOLINK, UNIFI, UNIVIEW

Exchange = tuple[str, bytes]
"""The line that is asked, as far as its version, and what is answered; `%SDP%` is the description and its length."""


class Camera(NamedTuple):
    """A camera: its `exchanges` up to PLAY, and the expected outcome."""

    address: str
    sdp: bytes
    exchanges: list[Exchange]
    delivery: InterleavedDelivery
    keep_alive: str
    keep_alive_after_s: float


CAMERAS = {
    "Hikvision": Camera(
        "rtsp://admin:geheim@192.168.1.64/Streaming/Channels/101",
        HIKVISION,
        [
            (
                "OPTIONS rtsp://192.168.1.64/Streaming/Channels/101",
                b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic:  OPTIONS, DESCRIBE, PLAY, PAUSE, SETUP, TEARDOWN, "
                b"SET_PARAMETER, GET_PARAMETER\r\nDate:  Mon, Jan 05 2026 10:00:00 GMT\r\n\r\n",
            ),
            (
                "DESCRIBE rtsp://192.168.1.64/Streaming/Channels/101",
                b'RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm="IP Camera(C1234)", '
                b'nonce="7b8f0b4c1d0b", stale="FALSE"\r\nWWW-Authenticate: Basic realm="IP Camera(C1234)"\r\n\r\n',
            ),
            (
                "DESCRIBE rtsp://192.168.1.64/Streaming/Channels/101",
                b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Type: application/sdp\r\n"
                b"Content-Base: rtsp://192.168.1.64:554/Streaming/Channels/101/\r\n%SDP%",
            ),
            (
                "SETUP rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1",
                b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession:        1185909314;timeout=60\r\n"
                b'Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=4d8ec4a3;mode="play"\r\n\r\n',
            ),
            (
                "PLAY rtsp://192.168.1.64:554/Streaming/Channels/101/",
                b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nSession:        1185909314\r\nRTP-Info: "
                b"url=rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1;seq=12001;rtptime=1943102\r\n\r\n",
            ),
        ],
        InterleavedDelivery(0, 1),
        "GET_PARAMETER rtsp://192.168.1.64:554/Streaming/Channels/101/",
        30.0,
    ),
    "Dahua": Camera(
        "rtsp://admin:geheim@10.0.0.7:554/cam/realmonitor?channel=1&subtype=0",
        DAHUA,
        [
            (
                "OPTIONS rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0",
                b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest "
                b'realm="Login to 3K02A1BPAQ00001",nonce="3f0dd8a1"\r\n\r\n',
            ),
            (
                "OPTIONS rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0",
                b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nServer: Rtsp Server/3.0\r\nPublic: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, "
                b"PLAY, RECORD, PAUSE, TEARDOWN, SET_PARAMETER, GET_PARAMETER\r\n\r\n",
            ),
            (
                "DESCRIBE rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0",
                b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nx-Accept-Dynamic-Rate: 1\r\nContent-Base: "
                b"rtsp://10.0.0.7:554/cam/realmonitor?channel=1&subtype=0/\r\nCache-Control: must-revalidate\r\n%SDP%",
            ),
            (
                "SETUP rtsp://10.0.0.7:554/cam/realmonitor?channel=1&subtype=0/trackID=0",
                b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 1724600281;timeout=60\r\n"
                b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=6BB1EBE4\r\nx-Dynamic-Rate: 1\r\n\r\n",
            ),
            (
                "PLAY rtsp://10.0.0.7:554/cam/realmonitor?channel=1&subtype=0/",
                b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nSession: 1724600281\r\nRange: npt=0.000000-\r\n"
                b"RTP-Info: url=trackID=0;seq=24015;rtptime=3103416472\r\n\r\n",
            ),
        ],
        InterleavedDelivery(0, 1),
        "GET_PARAMETER rtsp://10.0.0.7:554/cam/realmonitor?channel=1&subtype=0/",
        30.0,
    ),
    "Axis": Camera(
        "rtsp://root:geheim@192.168.0.90/axis-media/media.amp?videocodec=h264",
        AXIS,
        [
            (
                "OPTIONS rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
                b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE, GET_PARAMETER, PAUSE, PLAY, SETUP, "
                b"SET_PARAMETER, TEARDOWN\r\nServer: GStreamer RTSP server\r\n\r\n",
            ),
            (
                "DESCRIBE rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
                b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest "
                b'realm="AXIS_ACCC8E000000", nonce="000a1b2cY", stale=FALSE\r\n'
                b'WWW-Authenticate: Basic realm="AXIS_ACCC8E000000"\r\n\r\n',
            ),
            (
                "DESCRIBE rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
                b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Type: application/sdp\r\n"
                b"Content-Base: rtsp://192.168.0.90/axis-media/media.amp/\r\n%SDP%",
            ),
            (
                "SETUP rtsp://192.168.0.90/axis-media/media.amp/stream=0?videocodec=h264",
                b"RTSP/1.0 200 OK\r\nCSeq: 4\r\n"
                b'Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=1E2D3C4B;mode="PLAY"\r\n'
                b"Session: QPFj1mTZKSHuuM.d;timeout=60\r\n\r\n",
            ),
            (
                "PLAY rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
                b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nRTP-Info: url=rtsp://192.168.0.90/axis-media/media.amp/stream=0?"
                b"videocodec=h264;seq=29931;rtptime=1181520459\r\nRange: npt=now-\r\n\r\n",
            ),
        ],
        InterleavedDelivery(0, 1),
        "GET_PARAMETER rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
        30.0,
    ),
    "Reolink (live555)": Camera(
        "rtsp://admin:geheim@192.168.1.141:554/h265Preview_01_main",
        REOLINK,
        [
            (
                "OPTIONS rtsp://192.168.1.141/h265Preview_01_main",
                b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nDate: Thu, Jan 01 2026 10:00:00 GMT\r\n"
                b"Public: OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER\r\n\r\n",
            ),
            (
                "DESCRIBE rtsp://192.168.1.141/h265Preview_01_main",
                b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nDate: Thu, Jan 01 2026 10:00:00 GMT\r\n"
                b'WWW-Authenticate: Digest realm="BC Streaming Media", nonce="5f0c7a24f6b1c8d7"\r\n\r\n',
            ),
            (
                "DESCRIBE rtsp://192.168.1.141/h265Preview_01_main",
                b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Base: rtsp://192.168.1.141/h265Preview_01_main/\r\n"
                b"Content-Type: application/sdp\r\n%SDP%",
            ),
            (
                "SETUP rtsp://192.168.1.141/h265Preview_01_main/track1",
                b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;unicast;destination=192.168.1.2;"
                b"source=192.168.1.141;interleaved=0-1\r\nSession: 20DFB42D;timeout=65\r\n\r\n",
            ),
            (
                "PLAY rtsp://192.168.1.141/h265Preview_01_main/",
                b"$\0\0\x0c\x80\x60\0\0\0\0\0\0\0\0\0\0"
                b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nRange: npt=0.000-\r\nSession: 20DFB42D\r\nRTP-Info: "
                b"url=rtsp://192.168.1.141/h265Preview_01_main/track1;seq=42001;rtptime=871520,"
                b"url=rtsp://192.168.1.141/h265Preview_01_main/track2;seq=1;rtptime=2\r\n\r\n",
            ),
        ],
        InterleavedDelivery(0, 1),
        "GET_PARAMETER rtsp://192.168.1.141/h265Preview_01_main/",
        30.0,
    ),
    "UniFi": Camera(
        "rtsp://192.168.1.1:7447/aBcDeF",
        UNIFI,
        [
            (
                "OPTIONS rtsp://192.168.1.1:7447/aBcDeF",
                b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, OPTIONS, PAUSE, PLAY, SETUP, TEARDOWN, ANNOUNCE, "
                b"RECORD\r\n\r\n",
            ),
            (
                "DESCRIBE rtsp://192.168.1.1:7447/aBcDeF",
                b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://192.168.1.1:7447/aBcDeF/\r\n%SDP%",
            ),
            (
                "SETUP rtsp://192.168.1.1:7447/aBcDeF/trackID=1",
                b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: Jk3nPq\r\n"
                b"Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n\r\n",
            ),
            ("PLAY rtsp://192.168.1.1:7447/aBcDeF/", b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: Jk3nPq\r\n\r\n"),
        ],
        InterleavedDelivery(2, 3),
        "OPTIONS rtsp://192.168.1.1:7447/aBcDeF/",
        30.0,
    ),
    "MediaMTX": Camera(
        "rtsp://127.0.0.1:8554/cam",
        MEDIAMTX,
        [
            (
                "OPTIONS rtsp://127.0.0.1:8554/cam",
                b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, GET_PARAMETER, "
                b"TEARDOWN\r\nServer: gortsplib\r\n\r\n",
            ),
            (
                "DESCRIBE rtsp://127.0.0.1:8554/cam",
                b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://127.0.0.1:8554/cam/\r\n"
                b"Content-Type: application/sdp\r\nServer: gortsplib\r\n%SDP%",
            ),
            (
                "SETUP rtsp://127.0.0.1:8554/cam/trackID=0",
                b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nServer: gortsplib\r\nSession: d3b07384d113edec49eaa6238ad5ff00\r\n"
                b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=9A8B7C6D\r\n\r\n",
            ),
            (
                "PLAY rtsp://127.0.0.1:8554/cam/",
                b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nRTP-Info: url=rtsp://127.0.0.1:8554/cam/trackID=0;seq=35243;"
                b"rtptime=717574556\r\nServer: gortsplib\r\nSession: d3b07384d113edec49eaa6238ad5ff00\r\n\r\n",
            ),
        ],
        InterleavedDelivery(0, 1),
        "GET_PARAMETER rtsp://127.0.0.1:8554/cam/",
        30.0,
    ),
    "Uniview": Camera(
        "rtsp://admin:geheim@192.168.1.13/media/video1",
        UNIVIEW,
        [
            (
                "OPTIONS rtsp://192.168.1.13/media/video1",
                b"RTSP/1.0 200 OK\nCSeq: 1\nPublic: DESCRIBE, SETUP, TEARDOWN, PLAY\n\n",
            ),
            (
                "DESCRIBE rtsp://192.168.1.13/media/video1",
                b'RTSP/1.0 401 Unauthorized\nCSeq: 2\nWWW-Authenticate: Digest realm="48ea63000000",nonce="c2Vj",'
                b'algorithm="MD5"\n\n',
            ),
            (
                "DESCRIBE rtsp://192.168.1.13/media/video1",
                b"RTSP/1.0 200 OK\nCSeq: 3\nContent-Type: application/sdp\n%SDP%",
            ),
            (
                "SETUP rtsp://192.168.1.13/media/video1/video",
                b"RTSP/1.0 200 OK\nCSeq: 4\nSession: 90af1bd2;timeout=20\n"
                b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\n\n",
            ),
            ("PLAY rtsp://192.168.1.13/media/video1", b"RTSP/1.0 200 OK\nCSeq: 5\nSession: 90af1bd2\n\n"),
        ],
        InterleavedDelivery(0, 1),
        "OPTIONS rtsp://192.168.1.13/media/video1",
        10.0,
    ),
}


def asked(data: bytes) -> str:
    return data.decode().partition(" RTSP/1.0\r\n")[0]


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=list(CAMERAS))
@pytest.mark.parametrize("bytes_at_a_time", [1, 1 << 16])
def test_sessions_with_particular_cameras_play(camera: Camera, bytes_at_a_time: int) -> None:
    session = RtspSession(RtspAddress.parse(camera.address), "tcp")
    events: list[Event] = []
    prepared: list[Prepared] = []
    packets: list[bytes] = []
    framing = Framing(
        lambda _, view: packets.append(bytes(view)), lambda message: events.extend(session.receive(message))
    )
    sent = [session.begin()]
    for line, answer in camera.exchanges:
        assert asked(sent[-1]) == line
        described = b"Content-Length: %d\r\n\r\n" % len(camera.sdp) + camera.sdp
        answer = answer.replace(b"%SDP%", described)
        events.clear()
        for at in range(0, len(answer), bytes_at_a_time):
            part = answer[at : at + bytes_at_a_time]
            framing.buffer()[: len(part)] = part
            framing.filled(len(part))
        sent += [event.data for event in events if isinstance(event, Send)]
        prepared += [event for event in events if isinstance(event, Prepared)]
    assert len(sent) == len(camera.exchanges)
    assert session.description is not None
    assert (prepared, events) == ([Prepared(session.description, camera.delivery)], [Playing()])
    keep_alive = session.keep_alive()
    assert (asked(keep_alive), session.keep_alive_after_s) == (camera.keep_alive, camera.keep_alive_after_s)
    challenged = any(b" 401 " in answer for _, answer in camera.exchanges)
    assert (b'\r\nAuthorization: Digest username="' in keep_alive) == challenged
    assert not any(b"geheim" in data for data in [*sent, keep_alive])
