"""Recorded sessions of real servers (tests/fixtures/rtsp), unchanged and damaged.

The servers are GStreamer, VLC (whose 401 has no CSeq), aio-rtsp-toolkit and rtsp-rs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.protocol.errors import SessionError
from stream.sources.rtsp.protocol.framing import Framing
from stream.sources.rtsp.protocol.messages import Message
from stream.sources.rtsp.protocol.session import Closed, Event, Playing, Prepared, Redirected, RtspSession, Send
from support.examples import examples
from support.repository import REPOSITORY

FIXTURES = REPOSITORY / "tests" / "fixtures" / "rtsp"
RECORDED = {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.bin"))}
MOST_SENT = 100


class Replayed(NamedTuple):
    """The outcome of a session with recorded bytes."""

    session: RtspSession
    events: list[Event]
    packets: list[bytes]
    error: SessionError | UnsupportedStreamError | None


def replay(data: bytes, lower: Literal["tcp", "udp"] = "tcp", size: int = 1 << 16) -> Replayed:
    """Feed all bytes, `size` at a time; once it plays, keep the session alive and tear it down."""
    session = RtspSession(RtspAddress.parse("rtsp://bob:geheim@cam/a"), lower, client_ports=(5000, 5001))
    events: list[Event] = []
    packets: list[bytes] = []

    def on_message(message: Message) -> None:
        events.extend(session.receive(message))
        if isinstance(events[-1] if events else None, Playing):
            events.extend([Send(session.keep_alive()), Send(session.tear_down())])

    framing = Framing(lambda _, view: packets.append(bytes(view)), on_message)
    session.begin()
    try:
        for at in range(0, len(data), size):
            part = data[at : at + size]
            framing.buffer()[: len(part)] = part
            framing.filled(len(part))
    except (SessionError, UnsupportedStreamError) as error:
        return Replayed(session, events, packets, error)
    return Replayed(session, events, packets, None)


@pytest.mark.parametrize(
    ("name", "codec", "framerate", "packets"),
    [
        ("gstreamer_h264_tcp", "h264", 25.0, 8),
        ("gstreamer_query", "h264", 25.0, 8),
        ("gstreamer_basic", "h264", 25.0, 8),
        ("gstreamer_h265_tcp", "h265", 25.0, 8),
        ("gstreamer_h264_udp", "h264", 25.0, 0),
        ("vlc_udp", "h264", None, 0),
        ("vlc_basic_udp", "h264", None, 0),
        ("aio_rtsp_tcp", "h264", None, 8),
        ("rtsp_rs_udp", "h264", None, 0),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_recorded_sessions_play_and_end(
    name: str, codec: str, framerate: float | None, packets: int, size: int
) -> None:
    played = replay(RECORDED[name], "udp" if name.endswith("udp") else "tcp", size)
    assert played.error is None
    assert [type(event) for event in played.events if not isinstance(event, Send)] == [Prepared, Playing, Closed]
    assert len(played.packets) == packets
    assert all(packet[0] >> 6 == 2 for packet in played.packets)
    assert played.session.description is not None
    assert (played.session.description.codec, played.session.description.framerate) == (codec, framerate)
    assert [unit[0] & 0x1F for unit in played.session.description.parameter_sets] == (
        [7, 8] if codec == "h264" else [0, 2, 4]
    )
    playing = next(event for event in played.events if isinstance(event, Playing))
    assert playing.rtp_info is not None
    if packets:
        assert int.from_bytes(played.packets[0][2:4], "big") == playing.rtp_info.sequence
        if playing.delivery.ssrc is not None:
            assert int.from_bytes(played.packets[0][8:12], "big") == playing.delivery.ssrc


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gstreamer_jpeg", "UnsupportedStreamError"),
        ("gstreamer_not_found", "NoSuchPathError"),
        ("gstreamer_wrong_password", "AccessDeniedError"),
        ("vlc_tcp", "LowerTransportError"),
    ],
)
def test_recorded_refusals_have_their_reasons(name: str, error: str) -> None:
    assert type(replay(RECORDED[name]).error).__name__ == error


def bounded(replayed: Replayed, data: bytes) -> bool:
    """Return whether no more bytes were returned than received, and every request has a cause."""
    return sum(map(len, replayed.packets)) <= len(data) and len(replayed.events) <= MOST_SENT


def test_single_bytes_of_a_session_may_be_wrong() -> None:
    """Drop, duplicate or change every 23rd byte outside RTP. All bytes, in 14 ways, were tried once."""
    data = RECORDED["gstreamer_basic"]
    text = len(data) - len(b"".join(replay(data).packets))
    for at in range(0, text, 23):
        for wrong in (b"", b"\n", b"$", b"\xff", data[at : at + 1] * 2):
            damaged = data[:at] + wrong + data[at + 1 :]
            assert bounded(replay(damaged), damaged)


@settings(max_examples=examples(25))
@given(st.sampled_from(sorted(RECORDED)), st.sampled_from(["tcp", "udp"]), st.data())
def test_damaged_sessions_end_with_an_error_or_continue(
    name: str, lower: Literal["tcp", "udp"], draw: st.DataObject
) -> None:
    damaged = bytearray(RECORDED[name])
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.integers(0, len(damaged)))
        damaged[at : at + draw.draw(st.sampled_from([0, 1, 2, 4, 100]))] = draw.draw(
            st.binary(max_size=6) | st.sampled_from([b"\r\n\r\n", b"$\0\0\x08", b"RTSP/1.0 401 No\r\n\r\n", b";,=\"'-"])
        )
    whole = replay(bytes(damaged), lower)
    assert bounded(whole, bytes(damaged))
    assert not any(isinstance(event, Redirected) for event in whole.events)
    split = replay(bytes(damaged), lower, draw.draw(st.integers(1, 300)))
    assert (split.packets, str(split.error), len(split.events)) == (
        whole.packets,
        str(whole.error),
        len(whole.events),
    )
