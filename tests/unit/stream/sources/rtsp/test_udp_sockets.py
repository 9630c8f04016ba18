"""Packets that arrive at the UDP ports of a connection."""

from __future__ import annotations

import asyncio
import socket

from stream.sources.rtsp.udp_sockets import UdpSockets
from support.waiting import until


async def received(packets: dict[str, list[bytes]], expected: set[str]) -> tuple[list[bytes], int]:
    """Send packets from these hosts, and return those that are accepted, and the number of the others."""
    accepted: list[bytes] = []
    sockets = UdpSockets("127.0.0.1", lambda packet, now_ns: accepted.append(bytes(packet)), print, print)
    sockets.expect(expected)
    for host, payloads in packets.items():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((host, 0))
            for payload in payloads:
                sender.sendto(payload, ("127.0.0.1", sockets.ports[0]))
    count = sum(map(len, packets.values()))
    await until(lambda: len(accepted) + sockets.foreign_packets == count)
    sockets.close()
    return accepted, sockets.foreign_packets


def test_packets_of_other_hosts_are_ignored_before_and_after_those_of_the_server() -> None:
    packets = {"127.0.0.2": [b"other"], "127.0.0.1": [b"one", b"two"], "127.0.0.3": [b"another"]}
    assert asyncio.run(received(packets, {"::ffff:127.0.0.1"})) == ([b"one", b"two"], 2)
