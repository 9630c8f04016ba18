"""Parser for a server's `Transport` and `RTP-Info` headers, which describe how packets are delivered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.protocol.errors import LowerTransportError

_PAIR = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?")
_HOST = re.compile(r"[0-9A-Za-z.:_-]{1,255}")
_SSRC = re.compile(r"\s*(?:0[xX])?([0-9A-Fa-f]{1,8})\s*")
_ENTRIES = re.compile(r",(?=\s*url\s*=)", re.IGNORECASE)
_URL = re.compile(r"\s*url\s*=\s*\"?([^;,\"\s]*)", re.IGNORECASE)
_SEQUENCE = re.compile(r";\s*seq\s*=\s*(\d{1,5})(?!\d)", re.IGNORECASE)
_TIMESTAMP = re.compile(r";\s*rtptime\s*=\s*(\d{1,10})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InterleavedDelivery:
    """Delivery over the RTSP connection, in these channels."""

    rtp_channel: int
    rtcp_channel: int
    ssrc: int | None = None
    """As announced: some servers send another one."""


@dataclass(frozen=True, slots=True)
class UdpDelivery:
    """Delivery over UDP, from these ports of the server."""

    rtp_port: int | None
    """None if the server does not announce it; then any of its ports is accepted."""
    rtcp_port: int | None
    source: str | None = None
    """Announced source address of the packets; None if it is missing or invalid: then the server's own is used."""
    ssrc: int | None = None
    """As announced: some servers send another one."""


Delivery = InterleavedDelivery | UdpDelivery


@dataclass(frozen=True, slots=True)
class RtpInfo:
    """Announced numbers of the first packet; servers often leave them out or get them wrong."""

    sequence: int | None
    timestamp: int | None


def parse_interleaved_delivery(transport: str | None, requested: tuple[int, int]) -> InterleavedDelivery:
    """Parse a response's `Transport`; missing channels are as requested. Raises `LowerTransportError`."""
    profile, options = _options(transport)
    channels = _pair(options.get("interleaved"), 255)
    if channels is None and ("UDP" in profile or "server_port" in options or "multicast" in options):
        raise LowerTransportError("the server does not send over TCP")
    rtp, rtcp = channels or requested
    return InterleavedDelivery(rtp, min(rtp + 1, 255) if rtcp is None else rtcp, _ssrc(options.get("ssrc")))


def parse_udp_delivery(transport: str | None) -> UdpDelivery:
    """Parse a response's `Transport`. Raises `LowerTransportError`, or `UnsupportedStreamError` for multicast."""
    profile, options = _options(transport)
    if "multicast" in options:
        raise UnsupportedStreamError("multicast")
    if "TCP" in profile or "interleaved" in options:
        raise LowerTransportError("the server does not send over UDP")
    rtp, rtcp = _pair(options.get("server_port"), 65535) or (None, None)
    source = options.get("source", "").strip('"[] ')
    if source in ("0.0.0.0", "::") or not _HOST.fullmatch(source):
        source = None
    return UdpDelivery(
        rtp or None,
        (rtp + 1 if rtp and rtp < 65535 and rtcp is None else rtcp) or None,
        source,
        _ssrc(options.get("ssrc")),
    )


def parse_rtp_info(value: str | None, media_url: str) -> RtpInfo | None:
    """Return the `RTP-Info` of this stream, or None if there is none that clearly belongs to it."""
    entries = _ENTRIES.split(value or "")
    ours = [entry for entry in entries if (url := _URL.match(entry)) and _matches(url[1], media_url)]
    entry = ours[0] if ours else entries[0] if len(entries) == 1 else ""
    sequence, timestamp = _SEQUENCE.search(entry), _TIMESTAMP.search(entry)
    info = RtpInfo(
        int(sequence[1]) if sequence and int(sequence[1]) < 1 << 16 else None,
        int(timestamp[1]) if timestamp and int(timestamp[1]) < 1 << 32 else None,
    )
    return info if (info.sequence, info.timestamp) != (None, None) else None


def _options(transport: str | None) -> tuple[str, dict[str, str]]:
    """Return the first transport's profile in upper case, and its options with names in lower case."""
    profile, *parts = (transport or "").split(",")[0].split(";")
    pairs = (part.partition("=") for part in parts)
    return profile.strip().upper(), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _pair(text: str | None, limit: int) -> tuple[int, int | None] | None:
    found = _PAIR.fullmatch(text or "")
    if found is None or int(found[1]) > limit:
        return None
    second = int(found[2]) if found[2] else None
    return int(found[1]), second if second is not None and second <= limit else None


def _ssrc(text: str | None) -> int | None:
    found = _SSRC.fullmatch(text or "")
    return int(found[1], 16) if found else None


def _matches(url: str, media_url: str) -> bool:
    """Return whether it is the same URL or its end: some servers give only the track."""
    return bool(url) and (url == media_url or media_url.endswith("/" + url.rpartition("/")[2]))
