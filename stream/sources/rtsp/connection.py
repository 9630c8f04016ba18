"""RtspConnection: one TCP connection to an RTSP server, which also carries the packets unless they use UDP.

It handles the socket; `protocol/session.py` handles the messages. Runs in the network thread.
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

MAX_BACKLOG_BYTES = 256 << 10
"""Unsent bytes after which the server is taken to have stopped reading: requests are few and small."""

MAX_BYTES_AT_ONCE = 64 << 10
"""Bytes received before other cameras get their turn: at most 7 ms of work, with empty packets."""
MAX_MESSAGES_AT_ONCE = 256
"""Limit on messages, since 4000 would fit and each is as much work as five packets."""


class ConnectionListener(Protocol):
    """Receives the events of a connection, in the network thread."""

    def prepared(self, prepared: Prepared) -> None:
        """Packets may arrive from now on."""
        ...

    def packet(self, channel: int, packet: memoryview, now_ns: int) -> None:
        """A packet arrived over the connection. The view is valid during the call only."""
        ...

    def ended(self, error: Exception | None) -> None:
        """The connection ended after its outcome was known: with this error, or by the server (None).

        Called at most once, and not after `close` or `abort`.
        """
        ...


class RtspConnection(asyncio.BufferedProtocol):
    """Once connected, `begin` starts the session; `outcome` is set once it plays or is redirected."""

    def __init__(self, listener: ConnectionListener) -> None:
        self.outcome: asyncio.Future[Playing | Redirected] = asyncio.get_running_loop().create_future()
        self.answered = False
        """Whether the server sent a message."""
        self._session: RtspSession | None = None
        self._listener = listener
        self._framing = Framing(self._packet, self._message)
        self._transport: asyncio.Transport | None = None
        self._now_ns = 0
        self._messages = 0
        """Messages in the data received last."""
        self._prepared = False
        self._closed = False

    # -- asyncio ------------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> Any:
        """Return the buffer to receive into."""
        return self._framing.buffer()[:MAX_BYTES_AT_ONCE]

    def buffer_updated(self, nbytes: int) -> None:
        """Process received bytes."""
        if self._closed:
            return
        self._now_ns = time.monotonic_ns()
        self._messages = 0
        try:
            self._framing.filled(nbytes)
        except Exception as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session."""
        self._end(None)

    # -- the session --------------------------------------------------------------------------------------------
    def _packet(self, channel: int, packet: memoryview) -> None:
        self._listener.packet(channel, packet, self._now_ns)

    def _message(self, message: Message) -> None:
        if self._session is None:
            raise ProtocolError("a message before the first request")
        self.answered = True
        self._messages += 1
        if self._messages > MAX_MESSAGES_AT_ONCE:
            raise ProtocolError("too many messages")
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
                    elif isinstance(event, Redirected):  # while playing: the next connection follows the redirect
                        self._end(None)
                case Closed():
                    self._end(None)

    def begin(self, session: RtspSession) -> None:
        """Start this session."""
        self._session = session
        self._send(session.begin())

    def keep_alive(self) -> None:
        """Send a keep-alive request."""
        if self._session is not None and not self._closed:
            self._send(self._session.keep_alive())

    def send_packet(self, channel: int, packet: bytes) -> None:
        """Send an interleaved packet."""
        self._send(b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet)

    def fail(self, error: Exception | None) -> bool:
        """End the connection with this error (None: by the server). Return False if its outcome is already known."""
        if self.outcome.done():
            return False
        self._end(error)
        return True

    def close(self) -> None:
        """Send TEARDOWN and close. Pending data is sent for as long as the loop runs."""
        self._closed = True
        self.outcome.cancel()
        if self._transport is not None and not self._transport.is_closing():
            if self._prepared and self._session is not None:
                self._send(self._session.tear_down())
            self._transport.close()

    def abort(self) -> None:
        """Close at once, without sending what is pending."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    @property
    def tls(self) -> ssl.SSLObject:
        """The TLS connection of an rtsps server."""
        assert self._transport is not None
        return self._transport.get_extra_info("ssl_object")

    @property
    def hosts(self) -> tuple[str, str]:
        """The local and the server's address, with the zone of an IPv6 address that has one."""
        assert self._transport is not None
        return _host(self._transport.get_extra_info("sockname")), _host(self._transport.get_extra_info("peername"))

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            self._end(None)
            return
        transport.write(data)

    def _end(self, error: Exception | None) -> None:
        if self._closed:
            return
        self.abort()
        if self.outcome.done():
            self._listener.ended(error)
        else:
            self.outcome.set_exception(error or ConnectionClosedError("the server closed the connection"))
            self.outcome.exception()  # mark it as retrieved: the caller may have stopped waiting


def _host(name: tuple[Any, ...]) -> str:
    zone = name[3] if len(name) == 4 else 0
    return f"{name[0]}%{zone}" if zone else name[0]


class ConnectionClosedError(Exception):
    """The server closed the connection before the session was established."""
