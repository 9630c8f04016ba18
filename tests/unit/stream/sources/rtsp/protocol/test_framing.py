from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.rtsp.protocol.errors import ProtocolError
from stream.sources.rtsp.protocol.framing import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    MAX_SKIPPED_BYTES,
    MIN_FREE_BYTES,
    Framing,
)
from stream.sources.rtsp.protocol.messages import Message, Request, Response
from support.examples import examples

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
RTP = bytes([0x80, 0x60]) + bytes(10)


def frame(channel: int, payload: bytes) -> bytes:
    return bytes([0x24, channel]) + len(payload).to_bytes(2, "big") + payload


class Connection:
    """Return what is read from a connection: packets, messages, and finally the error's text."""

    def __init__(self) -> None:
        self.events: list[tuple[int, bytes] | Message | str] = []
        self.framing = Framing(lambda channel, view: self.events.append((channel, bytes(view))), self.events.append)

    def receive(self, data: bytes) -> None:
        while data:
            room = self.framing.buffer()
            assert len(room) >= MIN_FREE_BYTES
            part, data = data[: len(room)], data[len(room) :]
            room[: len(part)] = part
            self.framing.filled(len(part))

    def all(self, parts: Iterable[bytes]) -> Sequence[object]:
        try:
            for part in parts:
                self.receive(part)
        except ProtocolError as error:
            self.events.append(str(error))
        return self.events


def cut(*parts: bytes) -> Sequence[object]:
    return Connection().all(parts)


def test_packets_and_messages_come_in_their_order_however_they_are_interleaved() -> None:
    events = cut(OK + frame(0, RTP) + frame(1, b"") + OK + frame(0, RTP + b"$RTSP/1.0") + b"OPTIONS * RTSP/1.0\n\n")
    answer = Response(200, "OK", events[0].headers)  # pyright: ignore[reportAttributeAccessIssue]
    assert events == [answer, (0, RTP), (1, b""), answer, (0, RTP + b"$RTSP/1.0"), Request("OPTIONS", "*")]
    assert answer.headers.get("cseq") == "1"


@pytest.mark.parametrize(
    ("data", "status", "reason", "headers"),
    [
        (b"RTSP/1.0 200 OK\nCSeq: 1\n\n", 200, "OK", [("CSeq", "1")]),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\n\r\n", 200, "OK", [("CSeq", "1")]),
        (b"RTSP/1.0 200\r\ncseq:1\r\n\r\n", 200, "", [("cseq", "1")]),
        (b"RTSP/1.0 200 \r\nCSEQ :  1  \r\n\r\n", 200, "", [("CSEQ", "1")]),
        (b"RTSP/2.0  404  Stream Not Found \r\n\r\n", 404, "Stream Not Found", []),
        (b"rtsp/1.0 200 ok\r\n\r\n", 200, "ok", []),
        (b"\r\n\r\n\nRTSP/1.0 200 OK\r\n\r\n", 200, "OK", []),
        (
            b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="a",\r\n\tnonce="b"\r\nCSeq: 2\r\n\r\n',
            401,
            "Unauthorized",
            [("WWW-Authenticate", 'Digest realm="a", nonce="b"'), ("CSeq", "2")],
        ),
        (b"RTSP/1.0 200 OK\r\n folded under nothing\r\nno header\r\n: nameless\r\nA:\r\n\r\n", 200, "OK", [("A", "")]),
        (b"RTSP/1.0 200 OK\r\nA: 1\rB: 2\r\n\r\n", 200, "OK", [("A", "1"), ("B", "2")]),
        (b"RTSP/1.0 200 \xe4\xb8\xad\r\nServer: \xff\0\r\n\r\n", 200, "\xe4\xb8\xad", [("Server", "\xff\0")]),
    ],
)
def test_answers_are_read_as_servers_write_them(
    data: bytes, status: int, reason: str, headers: list[tuple[str, str]]
) -> None:
    (answer,) = cut(data)
    assert isinstance(answer, Response)
    assert (answer.status, answer.reason, list(answer.headers)) == (status, reason, headers)


@pytest.mark.parametrize("name", [b"Content-Length", b"content-length", b"CONTENT-LENGTH "])
def test_the_length_header_determines_the_body(name: bytes) -> None:
    body = b"v=0\r\n\r\n$\0\0\1RTSP/1.0 200 OK\r\n\r\n"
    events = cut(b"RTSP/1.0 200 OK\r\n" + name + b": %d\r\n\r\n" % len(body) + body + frame(0, RTP))
    assert isinstance(events[0], Response)
    assert events[0].body == body
    assert events[1:] == [(0, RTP)]


def test_the_largest_head_body_and_packet_fit() -> None:
    head = b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n" % MAX_BODY_BYTES
    head += b"A: " + b"a" * (MAX_HEAD_BYTES - len(head) - 7) + b"\r\n\r\n"
    body = bytes(MAX_BODY_BYTES)
    events = cut(head + body + frame(255, bytes(65535)) + OK)
    assert len(head) == MAX_HEAD_BYTES
    assert isinstance(events[0], Response)
    assert events[0].body == body
    assert events[1] == (255, bytes(65535))
    assert isinstance(events[2], Response)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\0\0\0", b"<html>", b"220 mail ready\r\n", b"RTSP/1.0 OK\r\n"]
)
def test_another_protocol_is_detected_by_its_first_bytes(data: bytes) -> None:
    assert cut(data) == ["the server does not speak RTSP"]


def test_a_web_server_is_reported_as_such() -> None:
    assert cut(b"HTTP/1.1 400 Bad Request\r\n\r\n") == ["the server speaks HTTP"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"a=control:trackID=1\r\n\r\n",
        b"\xff" * 100,
        b"$\xff\0\1",
        b"$\0\0\4\x80abc",
        b"RTSP/1.0 \r\n",
        b"RTSP/1.0 20 ",
        b"a" * 100,
        b"A" * 10 + b" " + b"a" * MAX_LINE_BYTES,
        b"\0" * MAX_SKIPPED_BYTES,
    ],
    ids=lambda garbage: repr(garbage[:20]),
)
def test_after_wrong_lengths_the_next_packet_or_answer_is_found(garbage: bytes) -> None:
    events = cut(OK + garbage + frame(0, RTP) + OK + frame(2, RTP), b"")
    assert (2, RTP) in events
    assert isinstance(events[-2], Response)


def test_a_packet_with_a_wrong_length_costs_no_more_than_that_length() -> None:
    events = cut(OK + b"$\0\x24\x24" + frame(0, RTP) * 1000 + OK)
    assert len(events) > 2 + 1000 - 0x2424 // len(frame(0, RTP)) - 2
    assert isinstance(events[-1], Response)


def test_garbage_without_an_end_is_an_error() -> None:
    assert cut(OK, *[bytes(1000)] * 100)[1:] == ["the server sends neither packets nor messages any more"]


PIECES = st.one_of(
    st.builds(frame, st.integers(0, 255), st.binary(max_size=300)),
    st.sampled_from(
        [
            OK,
            b"\r\n",
            b"RTSP/1.0 200 OK\nContent-length: 5\n\nv=0\r\n",
            b"GET_PARAMETER rtsp://cam/ RTSP/1.0\r\nCSeq: 9\r\n\r\n",
            b"ANNOUNCE * RTSP/1.0\r\nContent-Length: 3\r\n\r\n\r\n\n",
            b"RTSP/1.0 ",
            b"$\0\0",
            b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        ]
    ),
    st.binary(max_size=40),
)


@settings(max_examples=examples(25))
@given(st.lists(PIECES).map(b"".join), st.data())
def test_the_same_bytes_give_the_same_events_however_they_are_split(data: bytes, draw: st.DataObject) -> None:
    data = OK + data
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=20)))
    parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)])]
    whole = cut(data)
    assert cut(*parts) == whole
    assert cut(*(data[at : at + 1] for at in range(len(data)))) == whole


@settings(max_examples=examples(25))
@given(st.lists(st.binary(max_size=2000)))
def test_any_bytes_are_split_or_refused(parts: list[bytes]) -> None:
    cut(*parts)
    cut(OK, *parts)
