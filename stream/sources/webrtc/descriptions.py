"""Session descriptions (SDP): what publishers and viewers may offer, and what is added to our answer. Pure.

Never quoted in a message or a log: they carry the secrets that ICE checks with.
"""

from __future__ import annotations

import re
from itertools import pairwise

MAX_BYTES = 64 * 1024
"""A browser's offer takes 6 KiB."""
MOST_CANDIDATES = 64
"""Addresses that an offer may have us try; a browser with many interfaces names about twenty."""
MOST_SECTIONS = 8
DECODED = ("VP8", "H264")

_LINE = re.compile(r"[a-z]=.*")
_FMTP = re.compile(r"a=fmtp:(\d{1,3}) ")
_RTPMAP = re.compile(r"a=rtpmap:(\d{1,3}) ([\w-]+)/\d+")
_DIRECTION = re.compile(r"a=(sendrecv|sendonly|recvonly|inactive)")


class OfferError(ValueError):
    """An offer can't be taken; the message says what is wrong with it, without quoting it."""


def checked_offer(body: bytes) -> str:
    """A publisher's offer as text, if it offers us a video that can be decoded. Raises `OfferError`."""
    lines = _lines(body)
    video, directions = _check_sections(lines, "audio")
    if directions and directions[-1] not in ("sendonly", "sendrecv"):
        raise OfferError(f"its video is {directions[-1]}; a publisher's is sendonly")
    if not set(DECODED) & {name.upper() for name in codecs(video).values()}:
        raise OfferError(f"its video is in none of the codings that are decoded here: {' and '.join(DECODED)}")
    return _text(lines)


def checked_viewers_offer(body: bytes, codec: str) -> str:
    """The offer of one who wants to be sent a video in this coding (`VP8`, `H264`), as text. Raises `OfferError`."""
    lines = _lines(body)
    video, directions = _check_sections(lines, "audio", "application")
    if directions and directions[-1] not in ("recvonly", "sendrecv"):
        raise OfferError(f"its video is {directions[-1]}; who only looks says recvonly")
    if codec not in {name.upper() for name in codecs(video).values()}:
        raise OfferError(f"its video isn't offered in {codec}, which the camera sends")
    return _text(lines)


def _lines(body: bytes) -> list[str]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise OfferError("it isn't UTF-8 text") from None
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0] != "v=0":
        raise OfferError("it doesn't begin with v=0")
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line) or not line.isprintable():
            raise OfferError(f"line {number} isn't of the form x=…")
    return lines


def _text(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


def _check_sections(lines: list[str], *others: str) -> tuple[list[str], list[str]]:
    """The lines of its one video, and the directions that hold for it, the last one before all others.

    Beside it there may be one section of each of `others`.
    """
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > MOST_SECTIONS:
        raise OfferError(f"it has more than {MOST_SECTIONS} media sections")
    session = lines[: starts[0]] if starts else lines
    sections = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    kinds = [section[0][2:].split(" ", 1)[0] for section in sections]
    if kinds.count("video") != 1:
        raise OfferError(f"it has {kinds.count('video') or 'no'} video sections; exactly one (m=video) is taken")
    if set(kinds) - {"video", *others} or any(kinds.count(other) > 1 for other in others):
        raise OfferError(f"only one video and, unused, one {' and one '.join(others)} section are taken")
    if sum(line.startswith("a=candidate:") for line in lines) > MOST_CANDIDATES:
        raise OfferError(f"it has more than {MOST_CANDIDATES} candidates")
    for kind, section in zip(kinds, sections, strict=True):
        for attribute in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
            if not any(line.startswith(f"a={attribute}:") for line in session + section):
                raise OfferError(f"its {kind} section has no a={attribute}")
        if kind != "application" and "a=rtcp-mux" not in section:
            raise OfferError(f"its {kind} section has no a=rtcp-mux")
        if not any(line.startswith("a=mid:") for line in section):
            raise OfferError(f"its {kind} section has no a=mid")
    video = sections[kinds.index("video")]
    return video, [match[1] for line in session + video if (match := _DIRECTION.fullmatch(line))]


def codecs(lines: list[str]) -> dict[int, str]:
    """The codec of each payload type."""
    return {int(match[1]): match[2] for line in lines if (match := _RTPMAP.match(line))}


def with_bitrates(answer: str, min_kbps: int, start_kbps: int, max_kbps: int) -> str:
    """The answer, telling the sender's bitrates: the most for everybody, the others for Chromium. 0 leaves one out.

    Our feedback (REMB) only slowly tells that there is room. Chromium begins at 300 kbit/s and makes its picture
    smaller to fit. Where the offer has sound too it needs the limit besides to begin at full size: with the hints alone
    9 of 9 tries at 720p began at 640x360 or 960x540, with the limit 1 of 5.
    """
    lines = answer.split("\r\n")
    hints = [f"x-google-min-bitrate={min_kbps}"] * (min_kbps > 0)
    hints += [f"x-google-start-bitrate={start_kbps}"] * (start_kbps > 0)
    decoded = {number for number, name in codecs(lines).items() if name.upper() in DECODED}
    given = {int(match[1]) for line in lines if (match := _FMTP.match(line))}
    told: list[str] = []
    in_video = False
    for line in lines:
        fmtp, mapped = _FMTP.match(line), _RTPMAP.match(line)
        if hints and fmtp and int(fmtp[1]) in decoded:
            line = ";".join([line, *hints])
        told.append(line)
        if hints and mapped and int(mapped[1]) in decoded - given:
            told.append(f"a=fmtp:{mapped[1]} {';'.join(hints)}")
        if line.startswith("m="):
            in_video = line.startswith("m=video ")
        if in_video and max_kbps and line.startswith("c="):
            told.append(f"b=AS:{max_kbps}")
    return "\r\n".join(told)
