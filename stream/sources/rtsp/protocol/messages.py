"""Parser and encoder for RTSP messages (RFC 2326, with tolerance for cameras).

Text is Latin-1 throughout, so that bytes from a server, such as a realm in any encoding, are returned unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stream.sources.rtsp.protocol.errors import ProtocolError

MAX_URL = 2048
"""Characters of a URL that the server tells us to request."""

_FOLD = re.compile(r"\n[ \t]+")
_STATUS_LINE = re.compile(r"RTSP/\d+\.\d+\s+(\d{3})(?!\d)\s*(.*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(r"([A-Za-z_]+)\s+(\S+)\s+RTSP/\d+\.\d+\s*", re.IGNORECASE)


class Headers:
    """Header lines in order. Names are case-insensitive and may be repeated."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = tuple(lines)

    def get(self, name: str) -> str | None:
        """Return the first value of that name, or None."""
        return next(iter(self._values(name)), None)

    def all(self, name: str) -> list[str]:
        """Return all values of that name."""
        return list(self._values(name))

    def url(self, name: str) -> str | None:
        """Return the first value of that name as a URL, without quotes. None if it is empty or too long."""
        value = (self.get(name) or "").strip('" ')
        return value.encode("latin-1").decode("utf-8", "replace") if 0 < len(value) <= MAX_URL else None

    def _values(self, name: str) -> Iterator[str]:
        wanted = name.lower()
        return (value for key, value in self._lines if key.lower() == wanted)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self._lines)

    def __repr__(self) -> str:
        """Return only the names: values may be secrets."""
        return f"Headers({', '.join(key for key, _ in self._lines)})"


@dataclass(frozen=True, slots=True)
class Response:
    """A response from the server."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A request from us or from the server."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)


Message = Response | Request


def parse_head(head: bytes) -> Message:
    """Parse a start line and headers without the blank line at their end; the body stays empty.

    Lines may end in CR LF, LF or CR and may be folded. Lines that are not headers are skipped. Raises `ProtocolError`.
    """
    start, _, rest = head.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").partition("\n")
    if status := _STATUS_LINE.fullmatch(start):
        return Response(int(status[1]), status[2].strip(), _headers(rest))
    if request := _REQUEST_LINE.fullmatch(start):
        return Request(request[1].upper(), request[2], _headers(rest))
    raise ProtocolError("a line is neither a response nor a request")


def _headers(text: str) -> Headers:
    lines: list[tuple[str, str]] = []
    for line in _FOLD.sub(" ", text).split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            lines.append((name.strip(), value.strip()))
    return Headers(lines)


def encode_request(method: str, url: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the bytes of a request without a body."""
    return _encode(f"{method} {url} RTSP/1.0", headers)


def encode_response(status: int, reason: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the bytes of a response without a body, to a request from the server."""
    return _encode(f"RTSP/1.0 {status} {reason}", headers)


def _encode(start: str, headers: Iterable[tuple[str, str]]) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")
