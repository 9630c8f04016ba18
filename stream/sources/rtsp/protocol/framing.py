"""Framing: splits the bytes of one RTSP connection over TCP into interleaved packets and messages.

This is the hot path of a camera over TCP: bytes are received into one buffer of fixed size, and packets are views of
it. The result does not depend on how the bytes were split in transit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from struct import Struct

from stream.sources.rtsp.protocol.errors import OtherProtocolError, ProtocolError
from stream.sources.rtsp.protocol.messages import Headers, Message, parse_head

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 256 << 10
MAX_LINE_BYTES = 4 << 10
"""First line of a message: a request from the server contains a URL."""
MIN_FREE_BYTES = 64 << 10
"""Space that is always free for receiving, and the largest interleaved packet."""
MAX_SKIPPED_BYTES = 64 << 10
"""How far to search for the next packet or response after a wrong length."""

_DOLLAR = 0x24
_FRAME = Struct(">xBH")
_FRAME_BYTES = _FRAME.size
_SPACE = 0x20
_SLASH = 0x2F
_MAX_WORD = 16
"""Characters of a method, such as `GET_PARAMETER`, with some room for unknown methods."""
_WORD = re.compile(rb"[A-Za-z_]+")
_STRAY = re.compile(rb"[\r\n]*")
_LENGTH = re.compile(r"[0-9]{1,9}")
_HEAD_END = re.compile(rb"\n\r?\n")
_RESUMES = re.compile(rb"RTSP/[12]\.[0-9] |\$[\x00-\x1f](?:[\x01-\xff].|\x00[\x08-\xff])[\x80-\xbf]", re.DOTALL)
"""Start of a response, or of an RTP version 2 packet that is at least as long as a report."""
_RESUMES_BYTES = 9


class Framing:
    """One connection, from its first byte to its last.

    `on_packet(channel, payload)`: the view is valid only during the call. `on_message`: responses, and requests from
    the server. `filled` calls both in the order of the bytes, and lets their exceptions pass.
    """

    def __init__(self, on_packet: Callable[[int, memoryview], None], on_message: Callable[[Message], None]) -> None:
        self._on_packet = on_packet
        self._on_message = on_message
        self._data = bytearray(MAX_HEAD_BYTES + MAX_BODY_BYTES + MIN_FREE_BYTES)
        self._view = memoryview(self._data)
        self._end = 0
        """End of the bytes that were received but not processed; they begin at 0."""
        self._searched = 0
        """Bytes of the incomplete head that were searched for its end already."""
        self._head: Message | None = None
        """The message whose body is being received."""
        self._body_bytes = 0
        self._speaks_rtsp = False
        self._seeking = False
        """Out of step: searching for the start of a packet or message."""
        self._skipped = 0

    def buffer(self) -> memoryview:
        """Return the space to receive into, at least `MIN_FREE_BYTES`. Call `filled` afterwards."""
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """Process `count` bytes received into `buffer()`. Raises `SessionError` if they are not RTSP."""
        at, end = 0, self._end + count
        between = self._head is None and not self._seeking
        data, view, on_packet, frame = self._data, self._view, self._on_packet, _FRAME.unpack_from
        try:
            while at < end:
                if between and data[at] == _DOLLAR:
                    payload = at + _FRAME_BYTES
                    if payload > end:
                        break
                    channel, size = frame(data, at)
                    after = payload + size
                    if after > end:
                        break
                    at = after
                    on_packet(channel, view[payload:after])
                    continue
                at, message, waits = self._seek(at, end) if self._seeking else self._message(at, end)
                if message is not None:
                    self._on_message(message)
                if waits:
                    break
                between = self._head is None and not self._seeking
        finally:
            self._keep(at, end)

    def _keep(self, at: int, end: int) -> None:
        self._end = end - at
        if at and at < end:
            self._view[: end - at] = self._view[at:end]

    def _message(self, at: int, end: int) -> tuple[int, Message | None, bool]:
        """Return where to continue, the message that ends there or None, and whether more bytes are needed first."""
        if self._head is not None:
            after = at + self._body_bytes
            if after > end:
                return at, None, True
            whole = replace(self._head, body=bytes(self._view[at:after]))
            self._head = None
            return after, whole, False
        if not self._searched:
            at = _STRAY.match(self._data, at, end).end()  # pyright: ignore[reportOptionalMemberAccess] (matches nothing)
            if at == end or self._data[at] == _DOLLAR:
                return at, None, False
            begins = self._begins(at, end)
            if not begins:
                return (at, None, True) if begins is None else self._begin_seeking(at)
        head_end = _HEAD_END.search(self._data, at + max(0, self._searched - 2), min(end, at + MAX_HEAD_BYTES))
        if head_end is None:
            if end - at >= MAX_HEAD_BYTES:
                raise ProtocolError("the head of a message is too long")
            self._searched = end - at
            return at, None, True
        self._searched = 0
        head = parse_head(bytes(self._view[at : head_end.start()]))
        self._speaks_rtsp = True
        self._body_bytes = _content_length(head.headers)
        if not self._body_bytes:
            return head_end.end(), head, False
        self._head = head
        return head_end.end(), None, False

    def _begins(self, at: int, end: int) -> bool | None:
        """Return whether a message begins here, or None if its first line is incomplete."""
        data = self._data
        word = _WORD.match(data, at, min(end, at + _MAX_WORD + 1))
        after = word.end() if word is not None else at
        if after == at or after - at > _MAX_WORD:
            return False
        if after == end:
            return None
        if data[after] == _SLASH:
            if bytes(data[at:after]).upper() == b"HTTP" and not self._speaks_rtsp:
                raise OtherProtocolError("the server speaks HTTP")
            if bytes(data[at:after]).upper() != b"RTSP":
                return False
        elif data[after] != _SPACE:
            return False
        line_end = data.find(b"\n", at, min(end, at + MAX_LINE_BYTES))
        if line_end < 0:
            return None if end - at < MAX_LINE_BYTES else False
        try:
            parse_head(bytes(self._view[at:line_end]))
        except ProtocolError:
            return False
        return True

    def _begin_seeking(self, at: int) -> tuple[int, Message | None, bool]:
        if not self._speaks_rtsp:
            raise OtherProtocolError("the server does not speak RTSP")
        self._seeking = True
        self._skipped = 1
        return at + 1, None, False

    def _seek(self, at: int, end: int) -> tuple[int, Message | None, bool]:
        """Skip to the probable start of a response or packet."""
        found = _RESUMES.search(self._data, at, end)
        to = found.start() if found is not None else max(at, end - _RESUMES_BYTES + 1)
        self._skipped += to - at
        if self._skipped > MAX_SKIPPED_BYTES:
            raise ProtocolError("the server sends neither packets nor messages any more")
        self._seeking = found is None
        return to, None, self._seeking


def _content_length(headers: Headers) -> int:
    text = headers.get("Content-Length") or "0"
    if not _LENGTH.fullmatch(text):
        raise ProtocolError("the length of a body is not a number")
    if int(text) > MAX_BODY_BYTES:
        raise ProtocolError("a body is too long")
    return int(text)
