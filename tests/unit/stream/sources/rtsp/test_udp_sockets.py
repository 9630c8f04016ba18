"""Packets that arrive at the UDP ports of a connection."""

from __future__ import annotations

import asyncio
import socket

from stream.sources.rtsp.udp_sockets import UdpSockets
from support.waiting import until


async def received(packets: list[tuple[str, bytes]], expected: set[str]) -> list[bytes]:
    """Send packets from these hosts, and return those that are accepted until the last one is."""
    accepted: list[bytes] = []
    sockets = UdpSockets("127.0.0.1", lambda packet, now_ns: accepted.append(bytes(packet)), print, print)
    sockets.expect(expected)
    for host, payload in packets:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((host, 0))
            sender.sendto(payload, ("127.0.0.1", sockets.ports[0]))
    await until(lambda: packets[-1][1] in accepted)
    sockets.close()
    return accepted


def test_packets_of_other_hosts_are_ignored_before_and_after_those_of_the_server() -> None:
    packets = [("127.0.0.2", b"other"), ("127.0.0.1", b"one"), ("127.0.0.3", b"another"), ("127.0.0.1", b"two")]
    assert asyncio.run(received(packets, {"::ffff:127.0.0.1"})) == [b"one", b"two"]
