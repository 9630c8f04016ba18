"""Parser for a server's `Transport` header, which describes how packets are delivered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stream.sources.rtp.packets import UnsupportedStreamError
from stream.sources.rtsp.protocol.errors import LowerTransportError

_PAIR = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?")
_HOST = re.compile(r"[0-9A-Za-z.:_-]{1,255}")


@dataclass(frozen=True, slots=True)
class InterleavedDelivery:
    """Delivery over the RTSP connection, in these channels."""

    rtp_channel: int
    rtcp_channel: int


@dataclass(frozen=True, slots=True)
class UdpDelivery:
    """Delivery over UDP, from these ports of the server."""

    rtp_port: int | None
    """None if the server does not announce it; then any of its ports is accepted."""
    rtcp_port: int | None
    source: str | None = None
    """Announced source address of the packets; None if it is missing or invalid: then the server's own is used."""


Delivery = InterleavedDelivery | UdpDelivery


def parse_interleaved_delivery(transport: str | None, requested: tuple[int, int]) -> InterleavedDelivery:
    """Parse a response's `Transport`; missing channels are as requested. Raises `LowerTransportError`."""
    profile, options = _options(transport)
    channels = _pair(options.get("interleaved"), 255)
    if channels is None and ("UDP" in profile or "server_port" in options or "multicast" in options):
        raise LowerTransportError("the server does not send over TCP")
    rtp, rtcp = channels or requested
    return InterleavedDelivery(rtp, min(rtp + 1, 255) if rtcp is None else rtcp)


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
    return UdpDelivery(rtp or None, (rtp + 1 if rtp and rtp < 65535 and rtcp is None else rtcp) or None, source)


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
