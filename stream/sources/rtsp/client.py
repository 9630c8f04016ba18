"""RtspClient: one camera's RTSP session. Runs in the network thread.

It follows redirects, falls back to TCP if nothing arrives over UDP, keeps the session alive, sends receiver reports and
hands over access units. Errors are raised while it opens; later they close the handover.

TCP connections by host name, with name look-ups that can be abandoned.

A look-up can block without limit, and in the loop's thread pool it would delay others and the end of the process. So
each one runs in a daemon thread, which is abandoned when the connection is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from stream.sources.errors import SourceError
from stream.sources.handover import Handover
from stream.sources.rtsp.connection import RtspConnection
from stream.sources.rtsp.protocol.address import RtspAddress
from stream.sources.rtsp.protocol.errors import LowerTransportError, ProtocolError
from stream.sources.rtsp.protocol.session import Playing, Prepared, Redirected, RtspSession
from stream.sources.rtsp.protocol.transport_header import InterleavedDelivery, UdpDelivery
from stream.sources.rtsp.receiver import RtpReceiver
from stream.sources.rtsp.trust import Trust
from stream.sources.rtsp.udp_sockets import UdpSockets
from stream.sources.transport import Fallback
from telemetry.reasons import DiscardReason

P = TypeVar("P", bound=asyncio.BaseProtocol)

Address = tuple[int, tuple[Any, ...]]
"""Address family and socket address. A link-local IPv6 address needs its zone."""

ADDRESS_TIMEOUT_S = 2.0
"""Time before a host's next address is tried. Many names have an IPv6 address that cannot be reached."""


async def dial(
    host: str, port: int, protocol: Callable[[], P], tls: ssl.SSLContext | None, on_connected: Callable[[], None]
) -> P:
    """Connect, and return the connection's protocol. `on_connected` is called before the TLS handshake.

    Raises OSError (including `socket.gaierror` and `ssl.SSLError`).
    """
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    for number, address in enumerate(addresses):
        last = number == len(addresses) - 1
        try:
            async with asyncio.timeout(None if last else ADDRESS_TIMEOUT_S):
                connection = await _connect(address)
                on_connected()
                server_hostname = host if tls is not None else None
                return (
                    await loop.create_connection(protocol, sock=connection, ssl=tls, server_hostname=server_hostname)
                )[1]
        except ssl.SSLError:
            raise
        except (OSError, TimeoutError):
            if last:
                raise
    raise socket.gaierror(socket.EAI_NONAME, "no address")


async def _connect(address: Address) -> socket.socket:
    family, socket_address = address
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connecting, socket_address)
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _addresses(host: str, port: int) -> list[Address]:
    """Return a host's addresses without duplicates, in order of preference."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def set_found(addresses: list[Address], error: OSError | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def look_up() -> None:
        addresses: list[Address] = []
        error: OSError | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys((family, socket_address) for family, _, _, _, socket_address in infos))
        except UnicodeError:
            error = socket.gaierror(socket.EAI_NONAME, "not a name")
        except OSError as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(set_found, addresses, error)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    return await found


MAX_REDIRECTS = 5
UDP_SILENCE_S = 3.0
"""A server that sends over UDP begins within a round trip. After this time, a firewall is assumed to block it."""
REPORT_EVERY_S = 5.0
"""RFC 3550's interval for a session of two."""
OVERDUE_CHECK_S = 0.01
"""Interval of the check for overdue packets, while any are missing."""
FIREWALL_OPENER = b"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
"""Empty RTP packet. Sent to the server's port, it opens a firewall for the packets from there."""

LowerTransport = Literal["tcp", "udp"]

UDP_REFUSED = Fallback("udp_refused", "carried by TCP: the server refuses UDP")
UDP_SILENT = Fallback("udp_silent", "carried by TCP: nothing arrived over UDP")


class RtspClient:
    """One session. `on_discard(reason)` is called for each discarded unit.

    `closing(error)` returns the camera's error for what ended the session; None means that the server ended it.
    """

    def __init__(
        self,
        address: RtspAddress,
        lower: LowerTransport,
        trust: Trust,
        on_discard: Callable[[DiscardReason], None],
        closing: Callable[[Exception | None], SourceError],
    ) -> None:
        self.handover = Handover[Exception]()
        self.fallback: Fallback | None = None
        """Set if TCP is used although UDP was asked for."""
        self.connected = False
        """Whether a server accepted the connection."""
        self.answered = False
        """Whether the server sent anything; known once opening has failed."""
        self.receiver: RtpReceiver | None = None
        self._address = address
        self._lower: LowerTransport = lower
        self._trust = trust
        self._on_discard = on_discard
        self._closing = closing
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tls: ssl.SSLContext | None = None
        self._connection: RtspConnection | None = None
        self._udp_sockets: UdpSockets | None = None
        self._delivery: InterleavedDelivery | UdpDelivery | None = None
        self._keep_alive_s = 30.0
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._arrived: asyncio.Future[None] | None = None

    # -- opening --------------------------------------------------------------------------------------------------
    async def open(self, within_s: float, tls: ssl.SSLContext | None) -> RtspClient:
        """Connect, start playing, and return the client.

        Raises TimeoutError, OSError (including `ssl.SSLError`), `SessionError`, `UnsupportedStreamError`,
        `UntrustedCertificateError`, `UnusableCertificatesError`, `ConnectionClosedError`.
        """
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        try:
            async with asyncio.timeout(within_s):
                await self._open(min(UDP_SILENCE_S, within_s / 3))
        except BaseException:
            self._disconnect()
            raise
        return self

    async def _open(self, udp_silence_s: float) -> None:
        if self._lower == "udp":
            try:
                await self._play("udp")
            except LowerTransportError:
                self.fallback = UDP_REFUSED
            else:
                if await self._packet_arrives(udp_silence_s):
                    return
                self.fallback = UDP_SILENT
            self._disconnect()
        await self._play("tcp")

    async def _play(self, lower: LowerTransport) -> None:
        address = self._address
        for _ in range(MAX_REDIRECTS + 1):
            outcome = await self._connect(address, lower)
            if isinstance(outcome, Playing):
                self._schedule(self._keep_alive_s, self._keep_alive)
                self._schedule(REPORT_EVERY_S, self._report)
                return
            self._disconnect()
            address = outcome.address
        raise ProtocolError("it redirects in a circle, or too often")

    async def _connect(self, address: RtspAddress, lower: LowerTransport) -> Playing | Redirected:
        tls = None
        if address.scheme == "rtsps":
            tls = self._tls or await asyncio.to_thread(self._trust.context)  # it may read a file
        elif self._address.scheme == "rtsps":
            self._trust.check_plain()
        connection = await dial(address.host, address.port, lambda: RtspConnection(self), tls, self._on_connected)
        self._connection = connection
        if tls is not None:
            self._trust.check(connection.tls)
        ports = None
        if lower == "udp":
            self._udp_sockets = UdpSockets(connection.hosts[0], self._rtp, self._rtcp, self.ended)
            ports = self._udp_sockets.ports
        session = RtspSession(address, lower, client_ports=ports)
        connection.begin(session)
        outcome = await connection.outcome
        self._keep_alive_s = session.keep_alive_after_s
        return outcome

    def _on_connected(self) -> None:
        self.connected = True

    async def _packet_arrives(self, within_s: float) -> bool:
        receiver = self.receiver
        assert receiver is not None and self._loop is not None
        if receiver.packets or self._connection is None:  # the connection may already have ended
            return True
        self._arrived = self._loop.create_future()
        try:
            async with asyncio.timeout(within_s):
                await self._arrived
        except TimeoutError:
            return False
        finally:
            self._arrived = None
        return True

    # -- events of the connection ---------------------------------------------------------------------------------
    def prepared(self, prepared: Prepared) -> None:
        """Prepare for packets, which may arrive from now on."""
        delivery = self._delivery = prepared.delivery
        udp = isinstance(delivery, UdpDelivery)
        self.receiver = RtpReceiver(prepared.description, self.handover, self._on_discard, self._on_bye, reorder=udp)
        if not udp or self._udp_sockets is None or self._connection is None:
            return
        server = self._connection.hosts[1]
        self._udp_sockets.expect({server, delivery.source or server})
        if delivery.rtp_port is not None:
            self._udp_sockets.send_rtp(FIREWALL_OPENER, server, delivery.rtp_port)
        self._send_report(time.monotonic_ns())

    def packet(self, channel: int, packet: memoryview, now_ns: int) -> None:
        """Take a packet that arrived over the RTSP connection."""
        delivery = self._delivery
        if not isinstance(delivery, InterleavedDelivery):
            return
        if channel == delivery.rtp_channel:
            self._rtp(packet, now_ns)
        elif channel == delivery.rtcp_channel:
            self._rtcp(packet, now_ns)

    def ended(self, error: Exception | None) -> None:
        """Close the handover after playing has ended. A UDP packet may cause this before PLAY is answered."""
        if self._connection is not None and self._connection.fail(error):
            return
        try:
            reason: Exception = self._closing(error)
        except Exception as unknown:
            reason = unknown  # an internal error: the camera's thread reports it
        self.handover.close(reason)
        self._disconnect()
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def _on_bye(self) -> None:
        """End the session after an RTCP BYE, once the packet at hand is processed."""
        assert self._loop is not None
        self._loop.call_soon(self.ended, None)

    # -- packets --------------------------------------------------------------------------------------------------
    def _rtp(self, packet: memoryview, now_ns: int) -> None:
        receiver = self.receiver
        if receiver is None:
            return
        receiver.packet(packet, now_ns)
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
        if receiver.units.waits and self._give_up_overdue not in self._timers:
            self._schedule(OVERDUE_CHECK_S, self._give_up_overdue)

    def _rtcp(self, packet: memoryview, now_ns: int) -> None:
        if self.receiver is not None:
            self.receiver.report(packet, now_ns)

    # -- timers ---------------------------------------------------------------------------------------------------
    def _schedule(self, after_s: float, call: Callable[[], None]) -> None:
        """Schedule a call, to be made while there is a connection."""
        assert self._loop is not None
        if self._connection is None:
            return
        self._timers[call] = self._loop.call_later(after_s, self._run_scheduled, call)

    def _run_scheduled(self, call: Callable[[], None]) -> None:
        self._timers.pop(call, None)
        try:
            call()
        except Exception as error:
            self.ended(error)

    def _give_up_overdue(self) -> None:
        receiver = self.receiver
        if receiver is None:
            return
        receiver.due(time.monotonic_ns())
        if receiver.units.waits:
            self._schedule(OVERDUE_CHECK_S, self._give_up_overdue)

    def _keep_alive(self) -> None:
        if self._connection is not None:
            self._connection.keep_alive()
            self._schedule(self._keep_alive_s, self._keep_alive)

    def _report(self) -> None:
        self._send_report(time.monotonic_ns())
        self._schedule(REPORT_EVERY_S, self._report)

    def _send_report(self, now_ns: int) -> None:
        connection, delivery, receiver = self._connection, self._delivery, self.receiver
        if connection is None or receiver is None or delivery is None:
            return
        report = receiver.receiver_report(now_ns)
        if isinstance(delivery, InterleavedDelivery):
            connection.send_packet(delivery.rtcp_channel, report)
        elif self._udp_sockets is not None and delivery.rtcp_port is not None:
            self._udp_sockets.send_rtcp(report, connection.hosts[1], delivery.rtcp_port)

    # -- closing --------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """End the session. Call it in the network thread."""
        self._disconnect()

    def close_soon(self) -> None:
        """End the session soon. Any thread; returns at once."""
        if self._loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the session with it
            self._loop.call_soon_threadsafe(self.close)

    def _disconnect(self) -> None:
        """Close the connection; another may follow."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        connection, self._connection = self._connection, None
        udp_sockets, self._udp_sockets = self._udp_sockets, None
        if connection is not None:
            self.answered = connection.answered
            connection.close()
        if udp_sockets is not None:
            udp_sockets.close()
