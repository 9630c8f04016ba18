from __future__ import annotations

import pytest

from stream.sources.rtsp.protocol.transport_header import (
    InterleavedDelivery,
    UdpDelivery,
    parse_interleaved_delivery,
    parse_udp_delivery,
)


@pytest.mark.parametrize(
    ("transport", "delivery"),
    [
        ('RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=3E93715E;mode="PLAY"', InterleavedDelivery(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=2-3", InterleavedDelivery(2, 3)),
        ("RTP/AVP/TCP; Unicast; Interleaved = 4 - 5 ; SSRC= 0xab", InterleavedDelivery(4, 5)),
        ("RTP/AVP/TCP;unicast;interleaved=6", InterleavedDelivery(6, 7)),
        ("RTP/AVP/TCP;unicast;interleaved=255", InterleavedDelivery(255, 255)),
        ("RTP/AVP;unicast;interleaved=0-1", InterleavedDelivery(0, 1)),
        ("RTP/AVP/UDP;unicast;interleaved=0-1;server_port=0-0", InterleavedDelivery(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=300-301", InterleavedDelivery(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=-", InterleavedDelivery(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=8-9,RTP/AVP;unicast", InterleavedDelivery(8, 9)),
        ("", InterleavedDelivery(0, 1)),
        (None, InterleavedDelivery(0, 1)),
    ],
)
def test_channels_are_as_answered_or_else_as_asked_for(transport: str | None, delivery: InterleavedDelivery) -> None:
    assert parse_interleaved_delivery(transport, (0, 1)) == delivery


@pytest.mark.parametrize(
    ("transport", "delivery"),
    [
        (
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;source=10.0.0.7;ssrc=1",
            UdpDelivery(6000, 6001, "10.0.0.7"),
        ),
        ("RTP/AVP/UDP;unicast;server_port=6000;source=cam-1.local", UdpDelivery(6000, 6001, "cam-1.local")),
        ("RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6004", UdpDelivery(6000, 6004)),
        ("RTP/AVP;unicast;server_port=65535", UdpDelivery(65535, None)),
        ("RTP/AVP;unicast;server_port=0-0;source=0.0.0.0", UdpDelivery(None, None)),
        ("RTP/AVP;unicast;server_port=70000-70001;source=a b", UdpDelivery(None, None)),
        ("RTP/AVP;unicast;source=[fe80::1]", UdpDelivery(None, None, "fe80::1")),
        ("RTP/AVP;unicast", UdpDelivery(None, None)),
        (None, UdpDelivery(None, None)),
    ],
)
def test_ports_of_the_server_are_as_answered_or_unknown(transport: str | None, delivery: UdpDelivery) -> None:
    assert parse_udp_delivery(transport) == delivery
