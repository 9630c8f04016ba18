"""RtspConnection: one TCP connection to an RTSP server, which also carries the packets where they don't come over UDP.

Knows sockets and nothing of what is said: `session.py` does. Lives in the wire's thread, until its connection is gone.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any, Protocol, cast

from stream.sources.rtsp.protocol.errors import ProtocolError
from stream.sources.rtsp.protocol.framing import Framing
from stream.sources.rtsp.protocol.messages import Message
from stream.sources.rtsp.protocol.session import Closed, Playing, Prepared, Redirected, RtspSession, Send

LONGEST_BACKLOG = 256 << 10
"""Bytes that a server hasn't taken yet: requests are small and few, more of them it will never read."""

MOST_BYTES_AT_ONCE = 64 << 10
"""Received before the other cameras have their turn: of packets without anything in them it is 7 ms of work."""
MOST_MESSAGES_AT_ONCE = 256
"""Of 4000 that fit, each as much work as five packets."""


class ConnectionListener(Protocol):
    """Who is told what comes of a conversation. All of it happens in the wire's thread."""

    def prepared(self, prepared: Prepared) -> None:
        """Packets may come from now on."""
        ...

    def packet(self, channel: int, packet: memoryview, now_ns: int) -> None:
        """One came over the connection itself. The view is valid during the call only."""
        ...

    def ended(self, error: Exception | None) -> None:
        """It played or was elsewhere, and nothing more comes: for this error, or because the server ended it (None).

        Called once, and not at all where `close` or `abort` were.
        """
        ...


class RtspConnection(asyncio.BufferedProtocol):
    """Once connected, `begin` asks for the video; `outcome` is what comes of it: it plays, or is elsewhere."""

    def __init__(self, listener: ConnectionListener) -> None:
        self.outcome: asyncio.Future[Playing | Redirected] = asyncio.get_running_loop().create_future()
        self.heard = False
        """Whether the server said anything."""
        self._session: RtspSession | None = None
        self._listener = listener
        self._framing = Framing(self._packet, self._message)
        self._transport: asyncio.Transport | None = None
        self._now_ns = 0
        self._messages = 0
        """Received at once."""
        self._prepared = False
        self._over = False

    # -- asyncio ------------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection, and nothing to be said yet."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> Any:
        """Where to receive into."""
        return self._framing.buffer()[:MOST_BYTES_AT_ONCE]

    def buffer_updated(self, nbytes: int) -> None:
        """So much came."""
        if self._over:
            return
        self._now_ns = time.monotonic_ns()
        self._messages = 0
        try:
            self._framing.filled(nbytes)
        except Exception as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._end(None)

    # -- what the session says ----------------------------------------------------------------------------------
    def _packet(self, channel: int, packet: memoryview) -> None:
        self._listener.packet(channel, packet, self._now_ns)

    def _message(self, message: Message) -> None:
        if self._session is None:
            raise ProtocolError("it speaks before it is asked")
        self.heard = True
        self._messages += 1
        if self._messages > MOST_MESSAGES_AT_ONCE:
            raise ProtocolError("it talks without end")
        for event in self._session.receive(message):
            match event:
                case Send(data):
                    self._send(data)
                case Prepared():
                    self._prepared = True
                    self._listener.prepared(event)
                case Playing() | Redirected():
                    if not self.outcome.done():
                        self.outcome.set_result(event)
                    elif isinstance(event, Redirected):  # in the middle: the next connection finds the way again
                        self._end(None)
                case Closed():
                    self._end(None)

    def begin(self, session: RtspSession) -> None:
        """Have this conversation."""
        self._session = session
        self._send(session.begin())

    def keep_alive(self) -> None:
        """Tell the server that we are still here."""
        if self._session is not None and not self._over:
            self._send(self._session.keep_alive())

    def send_packet(self, channel: int, packet: bytes) -> None:
        """Send an interleaved packet."""
        self._send(b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet)

    def fail(self, error: Exception | None) -> bool:
        """End it for this error (None: the server ended it) before its outcome is known; False if that is known."""
        if self.outcome.done():
            return False
        self._end(error)
        return True

    def close(self) -> None:
        """Say goodbye and hang up: what is still to be sent is sent, for as long as the loop runs."""
        self._over = True
        self.outcome.cancel()
        if self._transport is not None and not self._transport.is_closing():
            if self._prepared and self._session is not None:
                self._send(self._session.tear_down())
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    @property
    def tls(self) -> ssl.SSLObject:
        """The encrypted connection, of an rtsps server."""
        assert self._transport is not None
        return self._transport.get_extra_info("ssl_object")

    @property
    def hosts(self) -> tuple[str, str]:
        """Our own address of this connection, and the server's; of IPv6 with the zone, if it has one."""
        assert self._transport is not None
        return _host(self._transport.get_extra_info("sockname")), _host(self._transport.get_extra_info("peername"))

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > LONGEST_BACKLOG:
            self._end(None)
            return
        transport.write(data)

    def _end(self, error: Exception | None) -> None:
        if self._over:
            return
        self.abort()
        if self.outcome.done():
            self._listener.ended(error)
        else:
            self.outcome.set_exception(error or ConnectionClosedError("the server closed the connection"))
            self.outcome.exception()  # nobody may be waiting any more


def _host(name: tuple[Any, ...]) -> str:
    zone = name[3] if len(name) == 4 else 0
    return f"{name[0]}%{zone}" if zone else name[0]


class ConnectionClosedError(Exception):
    """The server hung up in the middle of the conversation."""
