from __future__ import annotations

import contextlib
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.protocol.errors import (
    AccessDeniedError,
    LowerTransportError,
    NoSuchPathError,
    SessionError,
    StatusError,
)
from stream.sources.rtsp.protocol.framing import Framing
from stream.sources.rtsp.protocol.messages import Headers, Message, Request, Response
from stream.sources.rtsp.protocol.session import (
    MAX_UNANSWERED,
    Closed,
    Event,
    Playing,
    Prepared,
    Redirected,
    RtspSession,
    Send,
)
from stream.sources.rtsp.protocol.transport_header import InterleavedDelivery, UdpDelivery
from support.examples import examples

URL = "rtsp://cam/live"
DIGEST = ("WWW-Authenticate", 'Digest realm="IP Camera", nonce="n1", stale="FALSE"')
BASIC = ("WWW-Authenticate", 'Basic realm="IP Camera"')
SDP = b"v=0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"
TRANSPORT = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1")


def parse(data: bytes) -> Request:
    messages: list[Message] = []
    framing = Framing(lambda _, __: None, messages.append)
    framing.buffer()[: len(data)] = data
    framing.filled(len(data))
    (request,) = messages
    assert isinstance(request, Request)
    return request


class Talk:
    """A session, and the server's side of it. `asked` is the last request."""

    def __init__(self, address: str = URL, lower: Literal["tcp", "udp"] = "tcp") -> None:
        self.session = RtspSession(
            RtspAddress.parse(address),
            lower,
            client_ports=(5000, 5001) if lower == "udp" else None,
            new_cnonce=lambda: "c",
        )
        self.asked = parse(self.session.begin())
        self.events: list[Event] = []

    def answer(
        self, status: int, *headers: tuple[str, str], body: bytes = b"", sequence: str | None = "same"
    ) -> list[Event]:
        if sequence is not None:
            number = self.asked.headers.get("CSeq") or "" if sequence == "same" else sequence
            headers = (("CSeq", number), *headers)
        return self.tell(Response(status, "", Headers(headers), body))

    def tell(self, message: Message) -> list[Event]:
        self.events = self.session.receive(message)
        for event in self.events:
            if isinstance(event, Send) and not event.data.startswith(b"RTSP/"):
                self.asked = parse(event.data)
        return [event for event in self.events if not isinstance(event, Send)]

    def described(self, sdp: bytes = SDP, *headers: tuple[str, str]) -> Talk:
        self.answer(200, ("Public", "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"))
        self.answer(200, *headers, body=sdp)
        return self

    def playing(self, *session: tuple[str, str]) -> Talk:
        self.described()
        self.answer(200, TRANSPORT, *session or [("Session", "1234;timeout=60")])
        self.answer(200)
        return self

    @property
    def line(self) -> tuple[str, str]:
        return self.asked.method, self.asked.url


def test_a_session_asks_step_by_step_and_plays() -> None:
    talk = Talk("rtsp://bob:geheim@cam/live")
    assert talk.line == ("OPTIONS", URL)
    assert talk.answer(200, ("Public", "DESCRIBE, GET_PARAMETER")) == []
    assert talk.line == ("DESCRIBE", URL)
    assert talk.asked.headers.get("Accept") == "application/sdp"
    assert talk.answer(200, ("Content-Base", URL + "/"), body=SDP) == []
    assert talk.line == ("SETUP", URL + "/trackID=1")
    assert talk.asked.headers.get("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    (prepared,) = talk.answer(200, ("Transport", "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=1E240"), ("Session", "77"))
    assert talk.session.description is not None
    assert prepared == Prepared(talk.session.description, InterleavedDelivery(2, 3))
    assert talk.line == ("PLAY", URL + "/")
    assert talk.asked.headers.get("Range") == "npt=0.000-"
    assert talk.asked.headers.get("Session") == "77"
    assert talk.answer(200) == [Playing()]
    talk.asked = parse(talk.session.tear_down())
    assert talk.line == ("TEARDOWN", URL + "/")
    assert talk.answer(200) == [Closed()]


def test_over_udp_ports_are_exchanged() -> None:
    talk = Talk(lower="udp").described()
    assert talk.asked.headers.get("Transport") == "RTP/AVP;unicast;client_port=5000-5001"
    answer = ("Transport", "RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=8000-8001;source=10.0.0.7;ssrc=1")
    (prepared,) = talk.answer(200, answer)
    assert isinstance(prepared, Prepared)
    assert prepared.delivery == UdpDelivery(8000, 8001, "10.0.0.7")


@pytest.mark.parametrize("sequence", [None, "0", "999", "x", "9" * 5000, ""])
def test_responses_with_a_missing_or_wrong_number_are_accepted(sequence: str | None) -> None:
    talk = Talk()
    talk.answer(200, sequence=sequence)
    talk.answer(200, body=SDP, sequence=sequence)
    talk.answer(200, TRANSPORT, sequence=sequence)
    (playing,) = talk.answer(200, sequence=sequence)
    assert isinstance(playing, Playing)


def test_credentials_are_sent_from_the_first_challenge_on() -> None:
    talk = Talk("rtsp://bob:geheim@cam/live")
    assert talk.asked.headers.get("Authorization") is None
    talk.answer(200)
    talk.answer(401, DIGEST, BASIC)
    assert talk.line == ("DESCRIBE", URL)
    shown = talk.asked.headers.get("Authorization") or ""
    assert shown.startswith('Digest username="bob", realm="IP Camera", nonce="n1", uri="rtsp://cam/live"')
    assert talk.asked.headers.get("CSeq") == "3"
    talk.answer(200, body=SDP)
    assert 'uri="rtsp://cam/live/trackID=1"' in (talk.asked.headers.get("Authorization") or "")


def test_a_stale_nonce_is_replaced_a_limited_number_of_times() -> None:
    talk = Talk("rtsp://bob:geheim@cam/live").playing()
    talk.asked = parse(talk.session.keep_alive())
    talk.answer(401, DIGEST)
    assert talk.asked.method == "GET_PARAMETER"
    assert talk.answer(200) == [] == talk.events
    talk.asked = parse(talk.session.keep_alive())
    talk.answer(401, ("WWW-Authenticate", 'Digest realm="IP Camera", nonce="n2"'))
    assert 'nonce="n2"' in (talk.asked.headers.get("Authorization") or "")
    for _ in range(10):
        talk.answer(401, ("WWW-Authenticate", 'Digest realm="IP Camera", nonce="n3", stale=true'))
    assert talk.events == []  # and the pictures go on
    stuck = Talk("rtsp://bob:geheim@cam/live")
    with pytest.raises(AccessDeniedError):
        for _ in range(10):
            stuck.answer(401, ("WWW-Authenticate", 'Digest realm="IP Camera", nonce="n3", stale=true'))


def test_after_a_redirect_elsewhere_the_password_is_not_sent_in_the_clear() -> None:
    address = RtspAddress.parse("rtsp://bob:geheim@cam/live").redirected("rtsp://elsewhere/live")
    session = RtspSession(address, "tcp")
    session.begin()
    with pytest.raises(AccessDeniedError):
        session.receive(Response(401, "", Headers([("CSeq", "1"), BASIC])))


@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_redirect_is_followed_from_any_step(status: int, step: int) -> None:
    talk = Talk("rtsp://bob:geheim@cam/live")
    answers = [(), (), (TRANSPORT,)]
    for headers in answers[:step]:
        talk.answer(200, *headers, body=SDP)
    (redirected,) = talk.answer(status, ("Location", "rtsp://other:8554/x?y=1"))
    assert isinstance(redirected, Redirected)
    assert redirected.address.request_url == "rtsp://other:8554/x?y=1"
    assert redirected.address.digest_only


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, AccessDeniedError), (404, NoSuchPathError), (454, StatusError), (500, StatusError), (304, StatusError)],
)
def test_a_refused_describe_has_its_own_reason(status: int, error: type[SessionError]) -> None:
    talk = Talk()
    talk.answer(200)
    with pytest.raises(error):
        talk.answer(status)


def test_refused_setup_and_play_have_their_reasons() -> None:
    with pytest.raises(LowerTransportError):
        Talk().described().answer(461)
    with pytest.raises(StatusError) as raised:
        Talk().described().answer(453)
    assert (raised.value.method, raised.value.status) == ("SETUP", 453)
    talk = Talk().described()
    talk.answer(200, TRANSPORT)
    with pytest.raises(StatusError) as raised:
        talk.answer(455)
    assert (raised.value.method, raised.value.status) == ("PLAY", 455)


def test_the_url_by_the_standard_is_tried_too() -> None:
    talk = Talk("rtsp://cam/live/main").described()
    assert talk.line == ("SETUP", "rtsp://cam/live/main/trackID=1")
    talk.answer(404)
    assert talk.line == ("SETUP", "rtsp://cam/live/trackID=1")
    with pytest.raises(NoSuchPathError):
        talk.answer(404)


@pytest.mark.parametrize("status", [404, 459, 460])
def test_the_single_stream_is_played_if_the_aggregate_cannot_be(status: int) -> None:
    talk = Talk().described()
    talk.answer(200, TRANSPORT)
    talk.answer(status)
    assert talk.line == ("PLAY", URL + "/trackID=1")
    (playing,) = talk.answer(200)
    assert isinstance(playing, Playing)
    assert parse(talk.session.keep_alive()).url == parse(talk.session.tear_down()).url == URL + "/trackID=1"


@pytest.mark.parametrize(
    ("session", "identifier", "after_s"),
    [
        ("1234;timeout=60", "1234", 30.0),
        ("  1234 ; timeout = 10 ", "1234", 5.0),
        ("1234;TIMEOUT=10;x=y", "1234", 5.0),
        ("1234", "1234", 30.0),
        ("1234;timeout=65535", "1234", 30.0),
        ("1234;timeout=0", "1234", 30.0),
        ("1234;timeout=-5", "1234", 30.0),
        ("1234;timeout=x", "1234", 30.0),
        ("1234;timeout=1", "1234", 0.5),
        ("", None, 30.0),
        (";timeout=10", None, 30.0),
    ],
)
def test_the_session_is_kept_alive_well_before_it_ends(session: str, identifier: str | None, after_s: float) -> None:
    talk = Talk().playing(("Session", session))
    assert talk.session.keep_alive_after_s == after_s
    alive = parse(talk.session.keep_alive())
    assert (alive.method, alive.url, alive.headers.get("Session")) == ("GET_PARAMETER", URL, identifier)


@pytest.mark.parametrize("status", [400, 405, 451, 454, 501])
def test_if_get_parameter_fails_options_replaces_it_at_once(status: int) -> None:
    talk = Talk().playing()
    talk.asked = parse(talk.session.keep_alive())
    assert talk.answer(status) == []
    assert talk.line == ("OPTIONS", URL)
    assert talk.answer(status) == [] == talk.events
    assert parse(talk.session.keep_alive()).method == "OPTIONS"


@pytest.mark.parametrize(
    ("method", "status", "events"),
    [
        ("OPTIONS", b"200 OK", []),
        ("GET_PARAMETER", b"200 OK", []),
        ("SET_PARAMETER", b"200 OK", []),
        ("ANNOUNCE", b"200 OK", []),
        ("TEARDOWN", b"200 OK", [Closed()]),
        ("RECORD", b"501 Not Implemented", []),
        ("X_UNKNOWN", b"501 Not Implemented", []),
    ],
)
def test_requests_of_the_server_are_answered(method: str, status: bytes, events: list[Event]) -> None:
    talk = Talk().playing()
    assert talk.tell(Request(method, "*", Headers([("CSeq", "77")]), b"body")) == events
    (reply,) = (event.data for event in talk.events if isinstance(event, Send))
    assert reply.startswith(b"RTSP/1.0 " + status + b"\r\nCSeq: 77\r\nSession: 1234\r\n")
    assert reply.endswith(b"\r\n\r\n")


def test_a_server_can_redirect_in_mid_session() -> None:
    talk = Talk().playing()
    (redirected,) = talk.tell(Request("REDIRECT", URL, Headers([("CSeq", "1"), ("Location", "rtsp://other/x")])))
    assert isinstance(redirected, Redirected)
    assert redirected.address.request_url == "rtsp://other/x"


HEADERS = st.lists(
    st.sampled_from(
        [
            DIGEST,
            BASIC,
            TRANSPORT,
            ("WWW-Authenticate", 'Digest realm="r", nonce="n", stale=true, qop="auth"'),
            ("Public", "GET_PARAMETER"),
            ("Session", "1234;timeout=2"),
            ("Content-Base", URL + "/"),
            ("Transport", "RTP/AVP;multicast"),
            ("Location", "other"),
            ("CSeq", "3"),
        ]
    )
    | st.tuples(
        st.sampled_from(["CSeq", "Public", "WWW-Authenticate", "Content-Base", "Transport", "Session", "Location"]),
        st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30),
    ),
    max_size=4,
).map(Headers)
STATUSES = st.sampled_from([200, 200, 200, 200, 401, 401, 100, 302, 400, 403, 404, 405, 454, 459, 461, 500, 999])
MESSAGES = st.builds(Response, STATUSES, st.just(""), HEADERS, st.sampled_from([SDP, SDP, b"", b"v=0\n"])) | st.builds(
    Request, st.sampled_from(["OPTIONS", "ANNOUNCE", "REDIRECT", "TEARDOWN", "X"]), st.just("*"), HEADERS
)


@settings(max_examples=examples(25))
@given(st.sampled_from(["tcp", "udp"]), st.lists(MESSAGES, max_size=30))
def test_any_messages_are_handled_or_rejected_with_a_bounded_response(
    lower: Literal["tcp", "udp"], messages: list[Message]
) -> None:
    session = RtspSession(RtspAddress.parse("rtsp://bob:geheim@cam/live"), lower, client_ports=(5000, 5001))
    session.begin()
    for message in messages:
        with contextlib.suppress(SessionError, UnsupportedStreamError):
            sent = [event.data for event in session.receive(message) if isinstance(event, Send)]
            assert len(sent) <= 1
            assert all(data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1 for data in sent)
            assert not any(b"geheim" in data for data in sent)
        session.keep_alive()
    assert len(session._unanswered) <= MAX_UNANSWERED
    assert 0 < session.keep_alive_after_s <= 30
