"""UdpSockets: the two UDP ports of one connection, for RTP and RTCP. Used in the network thread."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Callable

RECEIVE_BUFFER = 2 << 20
"""Requested socket buffer: a 4K keyframe arrives in one burst. The kernel may grant less."""
MAX_PACKETS_AT_ONCE = 256
"""Packets read from one camera before other cameras get their turn."""
MAX_PACKET_BYTES = 1 << 16
PORTS = range(20_000, 60_000, 2)
MAX_BIND_ATTEMPTS = 64

OnPacket = Callable[[memoryview, int], None]


class NoPortsError(OSError):
    """No free pair of ports was found."""


class UdpSockets:
    """Binds its ports when created, or raises `NoPortsError`.

    `on_rtp(packet, now_ns)` and `on_rtcp` get views that are valid during the call only. Their exceptions go to
    `on_error`.
    """

    def __init__(
        self, local_host: str, on_rtp: OnPacket, on_rtcp: OnPacket, on_error: Callable[[Exception], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._rtp, self._rtcp = _bind_pair(local_host)
        self._on_error = on_error
        self._buffer = memoryview(bytearray(MAX_PACKET_BYTES))
        self._expected_hosts: set[str] = set()
        self._expected_names: set[str] = set()
        """The hosts as packets name their senders; parsing each packet's sender takes longer than all else."""
        for bound, on_packet in ((self._rtp, on_rtp), (self._rtcp, on_rtcp)):
            self._loop.add_reader(bound.fileno(), self._readable, bound, on_packet)

    @property
    def ports(self) -> tuple[int, int]:
        """The local ports of RTP and RTCP."""
        return self._rtp.getsockname()[1], self._rtcp.getsockname()[1]

    def expect(self, hosts: set[str]) -> None:
        """Accept packets from these addresses only."""
        self._expected_hosts = {_normalized(host) for host in hosts}
        self._expected_names = set()

    def _expects(self, name: str) -> bool:
        expected = _normalized(name) in self._expected_hosts
        if expected:
            self._expected_names.add(name)
        return expected

    def send_rtp(self, data: bytes, host: str, port: int) -> None:
        """Send a packet from the RTP port, to open a firewall for the replies."""
        _send(self._rtp, data, host, port)

    def send_rtcp(self, data: bytes, host: str, port: int) -> None:
        """Send a receiver report."""
        _send(self._rtcp, data, host, port)

    def close(self) -> None:
        """Close the ports. May be called more than once."""
        for bound in (self._rtp, self._rtcp):
            if bound.fileno() >= 0:
                self._loop.remove_reader(bound.fileno())
                bound.close()

    def _readable(self, bound: socket.socket, on_packet: OnPacket) -> None:
        now_ns = time.monotonic_ns()
        buffer = self._buffer
        for _ in range(MAX_PACKETS_AT_ONCE):
            if bound.fileno() < 0:  # closed while a packet was processed
                return
            try:
                size, sender = bound.recvfrom_into(buffer)
            except BlockingIOError:
                return
            except OSError:  # an ICMP reply to what was sent
                continue
            if sender[0] not in self._expected_names and not self._expects(sender[0]):
                continue
            try:
                on_packet(buffer[:size], now_ns)
            except Exception as error:
                self._on_error(error)
                return


def _bind_pair(local_host: str) -> tuple[socket.socket, socket.socket]:
    """Bind an even port and the next one, as RTP requires."""
    family = socket.AF_INET6 if ":" in local_host else socket.AF_INET
    for _ in range(MAX_BIND_ATTEMPTS):
        port = random.choice(PORTS)
        rtp = _bind(family, local_host, port)
        if rtp is None:
            continue
        rtcp = _bind(family, local_host, port + 1)
        if rtcp is not None:
            return rtp, rtcp
        rtp.close()
    raise NoPortsError("no pair of free UDP ports")


def _bind(family: int, host: str, port: int) -> socket.socket | None:
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound.bind(_socket_address(host, port))
    except OSError:
        bound.close()
        return None
    return bound


def _send(bound: socket.socket, data: bytes, host: str, port: int) -> None:
    try:
        bound.sendto(data, _socket_address(host, port))
    except OSError:  # lost, like any datagram
        return


def _socket_address(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return a socket address. The zone of a link-local IPv6 address is a field of its own."""
    plain, _, zone = host.partition("%")
    return (plain, port, 0, int(zone)) if zone else (host, port)


def _normalized(host: str) -> str:
    """Return an address without its zone, and an IPv4-mapped IPv6 address as IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
