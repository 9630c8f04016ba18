"""The video in a session description (SDP, RFC 8866; H.264 in RFC 6184, H.265 in RFC 7798), as cameras write it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.protocol.errors import NoVideoError, ProtocolError
from stream.sources.rtsp.protocol.messages import MAX_URL

RATE = 90_000
"""Clock rate of the supported codecs, Hz."""
MAX_PARAMETER_SETS = 64

_CODECS: dict[str, Literal["h264", "h265"]] = {"h264": "h264", "h265": "h265", "hevc": "h265"}
_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}")
_NAMELESS = {"26": "JPEG", "31": "H261", "32": "MPV", "33": "MP2T", "34": "H263"}
"""Payload types whose codec needs no `rtpmap`."""
_MEDIA = re.compile(r"(\S+)\s+\S+\s+(\S+)((?:\s+\S+)*)\s*")
_RTPMAP = re.compile(r"(\d+)\s+([^/\s]+)\s*(?:/\s*(\d+))?.*")
_FMTP = re.compile(r"(\d+)\s+(.*)")
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_BLANK = re.compile(rb"\s")
_SPROP_H264 = ("sprop-parameter-sets",)
_SPROP_H265 = ("sprop-vps", "sprop-sps", "sprop-pps")


@dataclass(frozen=True, slots=True)
class VideoDescription:
    """One video stream, with its control URLs."""

    codec: Literal["h264", "h265"]
    payload_type: int
    control: str | None = None
    """The stream's `control` as written; None if it has none."""
    session_control: str | None = None
    """The session's `control` as written, for all streams together."""
    parameter_sets: tuple[bytes, ...] = field(default=(), repr=False)
    """NAL units without start codes, in the order in which a decoder needs them. Undecodable ones are left out."""


@dataclass(slots=True)
class _Section:
    """One `m=` line with its attributes; `media` is empty for the session's part above the first one."""

    media: str = ""
    protocol: str = ""
    payload_types: tuple[str, ...] = ()
    control: str | None = None
    codecs: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    """Payload type → codec and clock rate."""
    formats: dict[str, dict[str, str]] = field(default_factory=dict)


def describe_video(sdp: bytes) -> VideoDescription:
    """Return the first supported video stream.

    Raises `NoVideoError`; `UnsupportedStreamError` with the first stream's reason if no video stream is supported;
    `ProtocolError` if this is not a session description.
    """
    session, *sections = _sections(sdp.decode("utf-8", "replace"))
    unsupported: UnsupportedStreamError | None = None
    for section in sections:
        if section.media != "video":
            continue
        try:
            return _video(section, session.control)
        except UnsupportedStreamError as error:
            unsupported = unsupported or error
    raise unsupported or NoVideoError("the description has no video")


def _sections(text: str) -> list[_Section]:
    sections = [_Section()]
    seen = False
    for line in re.split(r"[\r\n\0]+", text):
        kind, equals, value = line.strip().partition("=")
        if not equals or len(kind) != 1:
            continue
        seen = True
        if kind == "m" and (media := _MEDIA.fullmatch(value)):
            sections.append(_Section(media[1].lower(), media[2].upper(), tuple(media[3].split())))
        elif kind == "m":
            sections.append(_Section())
        elif kind == "a":
            name, _, rest = value.partition(":")
            _attribute(sections[-1], name.strip().lower(), rest.strip())
    if not seen:
        raise ProtocolError("the body is not a session description")
    return sections


def _attribute(section: _Section, name: str, value: str) -> None:
    match name:
        case "control" if section.control is None and 0 < len(value) <= MAX_URL:
            section.control = value
        case "rtpmap" if found := _RTPMAP.fullmatch(value):
            rate = int(found[3]) if found[3] and len(found[3]) < 10 else None
            section.codecs.setdefault(found[1], (found[2], rate))
        case "fmtp" if found := _FMTP.fullmatch(value):
            section.formats.setdefault(found[1], {}).update(_parameters(found[2]))


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.strip():
            yield name.strip().lower(), value.strip().strip('"')


def _video(section: _Section, session_control: str | None) -> VideoDescription:
    if "SAVP" in section.protocol:
        raise UnsupportedStreamError("encrypted")
    if not section.protocol.startswith("RTP/AVP"):
        raise UnsupportedStreamError("protocol")
    for payload_type in section.payload_types:
        name, rate = section.codecs.get(payload_type, (_NAMELESS.get(payload_type, ""), None))
        codec = _CODECS.get(name.lower())
        if codec is None or not _PAYLOAD_TYPE.fullmatch(payload_type) or int(payload_type) > 127:
            continue
        if rate != RATE:
            raise UnsupportedStreamError("clock_rate")
        parameters = section.formats.get(payload_type, {})
        if _number(parameters.get("packetization-mode")) > 1 or _number(parameters.get("sprop-max-don-diff")) > 0:
            raise UnsupportedStreamError("interleaving")
        return VideoDescription(
            codec,
            int(payload_type),
            section.control,
            session_control,
            _parameter_sets(codec, parameters),
        )
    raise UnsupportedStreamError("codec")


def _number(text: str | None) -> int:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else 0


def _parameter_sets(codec: Literal["h264", "h265"], parameters: Mapping[str, str]) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for name in _SPROP_H264 if codec == "h264" else _SPROP_H265:
        for text in parameters.get(name, "").split(",", MAX_PARAMETER_SETS)[:MAX_PARAMETER_SETS]:
            # Some cameras begin a set with a start code, or put several into one, separated by start codes.
            found += [unit for unit in _START_CODE.split(_decoded(text)) if _is_parameter_set(codec, unit)]
    return tuple(dict.fromkeys(found))[:MAX_PARAMETER_SETS]


def _decoded(text: str) -> bytes:
    """Decode Base64 with or without padding; return nothing if it is invalid."""
    raw = _BLANK.sub(b"", text.encode()).rstrip(b"=")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except binascii.Error:
        return b""


def _is_parameter_set(codec: Literal["h264", "h265"], unit: bytes) -> bool:
    if codec == "h264":
        return len(unit) > 1 and unit[0] & 0x80 == 0 and unit[0] & 0x1F in (7, 8, 13, 15)
    return len(unit) > 2 and unit[0] & 0x80 == 0 and unit[0] >> 1 in (32, 33, 34)
