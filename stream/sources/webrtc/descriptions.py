"""Session descriptions (SDP): validates offers of publishers and viewers, and adds bitrates to our answer.

Messages and logs never quote them: they contain the secrets of ICE.
"""

from __future__ import annotations

import re
from itertools import pairwise

MAX_BYTES = 64 * 1024
"""Largest description; a browser's offer has 6 KiB."""
MAX_CANDIDATES = 64
"""ICE candidates in an offer; a browser with many interfaces sends about twenty."""
MAX_SECTIONS = 8
DECODED = ("VP8", "H264")

_LINE = re.compile(r"[a-z]=.*")
_FMTP = re.compile(r"a=fmtp:(\d{1,3}) ")
_RTPMAP = re.compile(r"a=rtpmap:(\d{1,3}) ([\w-]+)/\d+")
_DIRECTION = re.compile(r"a=(sendrecv|sendonly|recvonly|inactive)")


class OfferError(ValueError):
    """An offer is rejected; the message explains why without quoting it."""


def checked_offer(body: bytes) -> str:
    """Return a publisher's offer as text if it contains a decodable video. Raises `OfferError`."""
    lines = _lines(body)
    video, directions = _check_sections(lines, "audio")
    if directions and directions[-1] not in ("sendonly", "sendrecv"):
        raise OfferError(f"its video is {directions[-1]}; a publisher's must be sendonly")
    if not set(DECODED) & {name.upper() for name in codecs(video).values()}:
        raise OfferError(f"its video has no supported codec: {' or '.join(DECODED)}")
    return _text(lines)


def checked_viewers_offer(body: bytes, codec: str) -> str:
    """Return a viewer's offer as text if it accepts a video in this codec (`VP8`, `H264`). Raises `OfferError`."""
    lines = _lines(body)
    video, directions = _check_sections(lines, "audio", "application")
    if directions and directions[-1] not in ("recvonly", "sendrecv"):
        raise OfferError(f"its video is {directions[-1]}; a viewer's must be recvonly")
    if codec not in {name.upper() for name in codecs(video).values()}:
        raise OfferError(f"its video does not accept {codec}, which the camera sends")
    return _text(lines)


def _lines(body: bytes) -> list[str]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise OfferError("it is not UTF-8 text") from None
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0] != "v=0":
        raise OfferError("it does not begin with v=0")
    for number, line in enumerate(lines, 1):
        if not _LINE.fullmatch(line) or not line.isprintable():
            raise OfferError(f"line {number} does not have the form x=…")
    return lines


def _text(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


def _check_sections(lines: list[str], *others: str) -> tuple[list[str], list[str]]:
    """Return the lines of the only video section, and its directions, of which the last one counts.

    There may also be one section of each kind in `others`.
    """
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > MAX_SECTIONS:
        raise OfferError(f"it has more than {MAX_SECTIONS} media sections")
    session = lines[: starts[0]] if starts else lines
    sections = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    kinds = [section[0][2:].split(" ", 1)[0] for section in sections]
    if kinds.count("video") != 1:
        raise OfferError(f"it has {kinds.count('video') or 'no'} video sections; it must have exactly one (m=video)")
    if set(kinds) - {"video", *others} or any(kinds.count(other) > 1 for other in others):
        raise OfferError(f"only one video section and, unused, one {' and one '.join(others)} section are accepted")
    if sum(line.startswith("a=candidate:") for line in lines) > MAX_CANDIDATES:
        raise OfferError(f"it has more than {MAX_CANDIDATES} candidates")
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
    """Return the codec of each payload type."""
    return {int(match[1]): match[2] for line in lines if (match := _RTPMAP.match(line))}


def with_bitrates(answer: str, min_kbps: int, start_kbps: int, max_kbps: int) -> str:
    """Return the answer with bitrates: the maximum for all senders, the others for Chromium. 0 omits a bitrate.

    Our feedback (REMB) grows only slowly. Chromium begins at 300 kbit/s and reduces its picture size to fit. If the
    offer also has audio, it needs the maximum as well to begin at full size: with the hints alone, 9 of 9 attempts at
    720p began at 640x360 or 960x540; with the maximum, 1 of 5.
    """
    lines = answer.split("\r\n")
    hints = [f"x-google-min-bitrate={min_kbps}"] * (min_kbps > 0)
    hints += [f"x-google-start-bitrate={start_kbps}"] * (start_kbps > 0)
    decoded = {number for number, name in codecs(lines).items() if name.upper() in DECODED}
    given = {int(match[1]) for line in lines if (match := _FMTP.match(line))}
    result: list[str] = []
    in_video = False
    for line in lines:
        fmtp, mapped = _FMTP.match(line), _RTPMAP.match(line)
        if hints and fmtp and int(fmtp[1]) in decoded:
            line = ";".join([line, *hints])
        result.append(line)
        if hints and mapped and int(mapped[1]) in decoded - given:
            result.append(f"a=fmtp:{mapped[1]} {';'.join(hints)}")
        if line.startswith("m="):
            in_video = line.startswith("m=video ")
        if in_video and max_kbps and line.startswith("c="):
            result.append(f"b=AS:{max_kbps}")
    return "\r\n".join(result)
