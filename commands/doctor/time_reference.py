"""The time by other clocks: a web server's Date header, an NTP server; and whether the kernel's is synchronised."""

from __future__ import annotations

import ctypes
import http.client
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 3.0
NTP_PORT = 123
NTP_EPOCH_S = 2_208_988_800
"""From 1900, the epoch of NTP, to 1970."""
NTP_ERA_S = 1 << 32
"""NTP's seconds wrap around after this many, first in 2036."""
STA_UNSYNC = 0x0040
_TIMEX_BYTES, _TIMEX_STATUS_AT = 208, 40
"""glibc's `struct timex` on 64-bit Linux."""


class NoTimeError(Exception):
    """The reference gave no time. The message names it without its secrets."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a reference's clock was ahead of ours, and the uncertainty of that, in seconds."""

    source: str
    ahead_s: float
    uncertain_s: float


def read_time(reference: str, now: Callable[[], float] = time.time) -> Reading:
    """Ask `http(s)://HOST[:PORT][/PATH]` or `ntp://HOST[:PORT]`. `now` is our clock, UTC seconds.

    Raises `NoTimeError`.
    """
    try:
        parts = urlsplit(reference)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise NoTimeError("the time server's address is not valid") from None
    if not host or parts.scheme not in ("http", "https", "ntp"):
        raise NoTimeError("the time server's address must begin with http://, https:// or ntp://")
    source = f"{parts.scheme}://{host}"
    try:
        if parts.scheme == "ntp":
            return _query_ntp(source, host, port or NTP_PORT, now)
        return _query_web(source, parts.scheme, host, port, parts.path or "/", now)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise NoTimeError(f"{source} gave no time ({why})") from None


def clock_is_synchronised() -> bool | None:
    """Return whether this machine's clock is synchronised, as `timedatectl` shows it; None if unknown."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # all zero: only read
        state = libc.adjtimex(timex)
    except (OSError, AttributeError):
        return None
    if state < 0 or struct.calcsize("l") != 8:
        return None
    return not struct.unpack_from("i", timex, _TIMEX_STATUS_AT)[0] & STA_UNSYNC


def _query_web(source: str, scheme: str, host: str, port: int | None, path: str, now: Callable[[], float]) -> Reading:
    connect = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    connection = connect(host, port, timeout=ANSWER_WITHIN_S)
    try:
        asked = now()
        connection.request("HEAD", path)
        answer = connection.getresponse()
        answered = now()
    finally:
        connection.close()
    date = answer.getheader("Date")
    if date is None:
        raise ValueError
    # The header is cut to whole seconds: on average, half a second is missing.
    theirs = parsedate_to_datetime(date).timestamp() + 0.5
    return Reading(source, theirs - (asked + answered) / 2, 0.5 + (answered - asked) / 2)


def _query_ntp(source: str, host: str, port: int, now: Callable[[], float]) -> Reading:
    """Send one request (RFC 4330), and compare the midpoint of the server's two timestamps with ours."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as asking:
        asking.settimeout(ANSWER_WITHIN_S)
        asking.connect(address)
        asked = now()
        asking.send(
            b"\x23" + bytes(39) + struct.pack("!Q", 1)
        )  # version 4, client; a stamp that the answer must repeat
        answer = asking.recv(512)
        answered = now()
    if len(answer) < 48 or answer[0] & 7 != 4 or answer[1] == 0 or answer[0] >> 6 == 3:
        raise ValueError("the answer is not from a synchronised server")
    originate, received, sent = struct.unpack_from("!QQQ", answer, 24)
    if originate != 1:
        raise ValueError("the answer is to another request")
    theirs = (_unix_s(received, asked) + _unix_s(sent, asked)) / 2
    return Reading(source, theirs - (asked + answered) / 2, (answered - asked) / 2)


def _unix_s(stamp: int, near: float) -> float:
    """Return an NTP timestamp as seconds since 1970, in the era nearest to `near`."""
    seconds = stamp / 2**32 - NTP_EPOCH_S
    return seconds + round((near - seconds) / NTP_ERA_S) * NTP_ERA_S
