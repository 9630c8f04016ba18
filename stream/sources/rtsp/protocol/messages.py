"""RTSP messages, taken apart and put together (RFC 2326, and what cameras make of it).

Text is Latin-1 throughout, so that whatever bytes a server sends (realms in any encoding) come back as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stream.sources.rtsp.protocol.errors import ProtocolError

LONGEST_URL = 2048
"""Of what a server wants us to ask for."""

_FOLD = re.compile(r"\n[ \t]+")
_STATUS_LINE = re.compile(r"RTSP/\d+\.\d+\s+(\d{3})(?!\d)\s*(.*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(r"([A-Za-z_]+)\s+(\S+)\s+RTSP/\d+\.\d+\s*", re.IGNORECASE)


class Headers:
    """Header lines in their order; names don't distinguish case and may come several times."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = tuple(lines)

    def get(self, name: str) -> str | None:
        """The first value of that name."""
        return next(iter(self._values(name)), None)

    def all(self, name: str) -> list[str]:
        """Every value of that name."""
        return list(self._values(name))

    def url(self, name: str) -> str | None:
        """The first value of that name: a URL, in UTF-8 and perhaps in quotes. None if it is empty or too long."""
        value = (self.get(name) or "").strip('" ')
        return value.encode("latin-1").decode("utf-8", "replace") if 0 < len(value) <= LONGEST_URL else None

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
        """The names only: values may be secrets."""
        return f"Headers({', '.join(key for key, _ in self._lines)})"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the server."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A request of ours, or of the server."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)


Message = Response | Request


def parse_head(head: bytes) -> Message:
    """Start line and headers, without the blank line at their end; the body is empty yet. Raises `ProtocolError`.

    Lines may end in CR LF, LF or CR and may be folded; those that are no headers are passed over.
    """
    start, _, rest = head.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").partition("\n")
    if status := _STATUS_LINE.fullmatch(start):
        return Response(int(status[1]), status[2].strip(), _headers(rest))
    if request := _REQUEST_LINE.fullmatch(start):
        return Request(request[1].upper(), request[2], _headers(rest))
    raise ProtocolError("a line that is neither an answer nor a request")


def _headers(text: str) -> Headers:
    lines: list[tuple[str, str]] = []
    for line in _FOLD.sub(" ", text).split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            lines.append((name.strip(), value.strip()))
    return Headers(lines)


def encode_request(method: str, url: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A request without a body, ready to be sent."""
    return _encode(f"{method} {url} RTSP/1.0", headers)


def encode_response(status: int, reason: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """An answer without a body, to a request of the server."""
    return _encode(f"RTSP/1.0 {status} {reason}", headers)


def _encode(start: str, headers: Iterable[tuple[str, str]]) -> bytes:
    return "\r\n".join([start, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")
