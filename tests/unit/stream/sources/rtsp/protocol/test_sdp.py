from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.protocol.errors import NoVideoError, ProtocolError, SessionError
from stream.sources.rtsp.protocol.sdp import describe_video
from support.rtsp_servers.camera_descriptions import (
    AXIS,
    DAHUA,
    HIKVISION,
    MEDIAMTX,
    PPS,
    PPS_265,
    REOLINK,
    SPS,
    SPS_265,
    UNIFI,
    UNIVIEW,
    VPS_265,
)


@pytest.mark.parametrize(
    ("sdp", "codec", "payload_type", "control", "session_control"),
    [
        (
            HIKVISION,
            "h264",
            96,
            "rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1",
            "rtsp://192.168.1.64:554/Streaming/Channels/101/",
        ),
        (DAHUA, "h264", 96, "trackID=0", "*"),
        (
            AXIS,
            "h264",
            96,
            "rtsp://192.168.0.90/axis-media/media.amp/stream=0?videocodec=h264",
            "rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
        ),
        (REOLINK, "h265", 96, "track1", "*"),
        (UNIFI, "h264", 99, "trackID=1", "*"),
        (MEDIAMTX, "h265", 96, "rtsp://127.0.0.1:8554/cam/trackID=0", None),
        (UNIVIEW, "h264", 105, "rtsp://192.168.1.13/media/video1/video", None),
    ],
    ids=["Hikvision", "Dahua", "Axis", "Reolink", "UniFi", "MediaMTX", "Uniview"],
)
def test_cameras_descriptions_are_understood(
    sdp: bytes, codec: str, payload_type: int, control: str, session_control: str | None
) -> None:
    video = describe_video(sdp)
    assert (video.codec, video.payload_type) == (codec, payload_type)
    assert (video.control, video.session_control) == (control, session_control)
    assert video.parameter_sets == ((SPS, PPS) if codec == "h264" else (VPS_265, SPS_265, PPS_265))


def video(*lines: str, media: str = "m=video 0 RTP/AVP 96") -> bytes:
    return "\r\n".join(["v=0", media, *lines, ""]).encode()


H264 = "a=rtpmap:96 H264/90000"


@pytest.mark.parametrize(
    ("sprop", "sets"),
    [
        ("Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA=,aO4xshs=", (SPS, PPS)),
        ("Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA,aO4xshs", (SPS, PPS)),
        ('"Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA=,aO4xshs="', (SPS, PPS)),
        (" Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA= , aO4xshs= ", (SPS, PPS)),
        ("Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA=,aO4xshs=,aO4xshs=", (SPS, PPS)),
        ("Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA=,not!base64", (SPS,)),
        (base64.b64encode(b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS).decode(), (SPS, PPS)),
        ("Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA=,Zg==,BgUE,", (SPS,)),
        (",", ()),
        ("", ()),
        ("A", ()),
        ("ä", ()),
    ],
)
def test_parameter_sets_are_taken_as_far_as_they_can_be(sprop: str, sets: tuple[bytes, ...]) -> None:
    assert describe_video(video(H264, f"a=fmtp:96 sprop-parameter-sets={sprop}")).parameter_sets == sets


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        (video("a=rtpmap:96 VP8/90000"), "codec"),
        (video(media="m=video 0 RTP/AVP 26"), "codec"),
        (video(media="m=video 0 RTP/AVP 96"), "codec"),
        (video("a=rtpmap:33 MP2T/90000", media="m=video 0 RTP/AVP 33"), "codec"),
        (video(H264, media="m=video 0 RTP/SAVP 96"), "encrypted"),
        (video(H264, media="m=video 9 UDP/TLS/RTP/SAVPF 96"), "encrypted"),
        (video(H264, media="m=video 0 udp 96"), "protocol"),
        (video("a=rtpmap:96 H264/45000"), "clock_rate"),
        (video("a=rtpmap:96 H264"), "clock_rate"),
        (video(H264, "a=fmtp:96 packetization-mode=2"), "interleaving"),
        (video("a=FMTP:96  Packetization-Mode = 2 ;", H264), "interleaving"),
        (video("a=rtpmap:96 H265/90000", "a=fmtp:96 sprop-max-don-diff=3"), "interleaving"),
    ],
)
def test_unsupported_video_has_a_reason(sdp: bytes, reason: str) -> None:
    with pytest.raises(UnsupportedStreamError) as raised:
        describe_video(sdp)
    assert raised.value.reason == reason


def test_a_second_stream_is_used_if_the_first_is_unsupported() -> None:
    both = video(media="m=video 0 RTP/AVP 26") + b"m=video 0 RTP/AVP 97\na=rtpmap:97 H264/90000\na=control:b\n"
    assert describe_video(both).control == "b"


@pytest.mark.parametrize(
    "sdp", [DAHUA.replace(b"m=video", b"m=audio"), b"v=0\r\n", b"v=0\r\nm=application 0 RTP/AVP 107\r\n"]
)
def test_a_description_without_video_raises_an_error(sdp: bytes) -> None:
    with pytest.raises(NoVideoError):
        describe_video(sdp)


@pytest.mark.parametrize("sdp", [b"", b"\0" * 100, b"<html></html>", b"not found"])
def test_an_invalid_description_is_rejected(sdp: bytes) -> None:
    with pytest.raises(ProtocolError):
        describe_video(sdp)


@given(st.binary() | st.text(alphabet="mva=video 0RTP/AVP96:fmtprspoe;,\n").map(str.encode))
def test_any_bytes_are_read_or_refused(sdp: bytes) -> None:
    try:
        describe_video(b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n" + sdp)
        describe_video(sdp)
    except (SessionError, UnsupportedStreamError):
        pass
