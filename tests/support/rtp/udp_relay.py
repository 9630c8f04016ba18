"""A bad network between a client and a real RTSP server: a relay of RTSP and of RTP over UDP.

It writes its own ports into SETUP and the response, so that both sides send their packets to it. RTP to the client is
dropped, swapped, delayed and duplicated as `Impairments` define, by a seed. RTCP and packets of the client are
forwarded unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

_PORTS = re.compile(rb"(client_port|server_port)=(\d+)-(\d+)")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length *: *(\d+)", re.IGNORECASE)
_RTP_START = struct.Struct(">HHI")

Pair = tuple[socket.socket, socket.socket]
"""The sockets of RTP and of RTCP."""


@dataclass(frozen=True)
class Impairments:
    """Shares of the RTP packets. `swap`: exchanged with the next one; `delay`: `delay_s` late, while others pass."""

    drop: float = 0.0
    swap: float = 0.0
    delay: float = 0.0
    double: float = 0.0
    delay_s: float = 0.02


class UdpRelay:
    """`with UdpRelay(server.port, Impairments(drop=0.01)) as relay: open(relay.url(server.url("/clip")))`.

    `impairments` may be changed at any time. `relayed`, `swapped` and `delayed` count packets; `doubled` lists sequence
    numbers, and `dropped` the sequence number and RTP timestamp of each dropped packet. `sent` holds the RTP timestamps
    of pictures of which a packet was sent on. `first_timestamp` is that of the very first packet, dropped or not.
    `reports` lists the client's RTCP packets.
    """

    def __init__(self, server_port: int, impairments: Impairments | None = None, seed: int = 1) -> None:
        self.impairments = impairments or Impairments()
        self.port = 0
        self.relayed = self.swapped = self.delayed = 0
        self.doubled: list[int] = []
        self.dropped: list[tuple[int, int]] = []
        self.sent: set[int] = set()
        self.reports: list[bytes] = []
        self.first_timestamp: int | None = None
        self._server_port = server_port
        self._random = random.Random(seed)
        self._conversations: set[asyncio.Task[None]] = set()

    def __enter__(self) -> UdpRelay:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="udp-relay")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, address: str) -> str:
        """Return a server's address with the relay's port."""
        return address.replace(f":{self._server_port}/", f":{self.port}/")

    # -- RTSP, over TCP --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for conversation in list(self._conversations):
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations.add(conversation)
        media = _Media(self, self._loop)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
            ways = [
                asyncio.ensure_future(_pass_on(client, to_server, media.rewrite_request)),
                asyncio.ensure_future(_pass_on(server, to_client, media.rewrite_answer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                to_server.close()
        to_client.close()
        media.close()
        self._conversations.discard(conversation)

    # -- RTP, over UDP ----------------------------------------------------------------------------------------------

    def media_packet(self, packet: bytes, send: Callable[[bytes], None], held: list[bytes]) -> None:
        """Forward one RTP packet with the impairments. `held`: the packet of this stream to be sent after the next."""
        drop, swap, delay, double = (self._random.random() for _ in range(4))
        impairments = self.impairments
        _, sequence, timestamp = _RTP_START.unpack_from(packet)
        if self.first_timestamp is None:
            self.first_timestamp = timestamp
        if drop < impairments.drop:
            self.dropped.append((sequence, timestamp))
            return
        self.relayed += 1
        self.sent.add(timestamp)
        if swap < impairments.swap and not held:
            self.swapped += 1
            held.append(packet)
            return
        if delay < impairments.delay:
            self.delayed += 1
            self._loop.call_later(impairments.delay_s, send, packet)
        else:
            send(packet)
        if double < impairments.double:
            self.doubled.append(sequence)
            send(packet)
        while held:
            send(held.pop())


class _Media:
    """The ports and sockets of one connection."""

    def __init__(self, relay: UdpRelay, loop: asyncio.AbstractEventLoop) -> None:
        self._relay = relay
        self._loop = loop
        self._pairs: list[Pair] = []
        self._client_ports: tuple[int, int] | None = None
        self._towards_server: Pair | None = None

    def rewrite_request(self, message: bytes) -> bytes:
        found = _PORTS.search(message)
        if not message.startswith(b"SETUP ") or found is None:
            return message
        self._client_ports = int(found[2]), int(found[3])
        self._towards_server = self._bind()
        return _with_ports(message, b"client_port", self._towards_server)

    def rewrite_answer(self, message: bytes) -> bytes:
        server_ports = next((found for found in _PORTS.finditer(message) if found[1] == b"server_port"), None)
        if server_ports is None or self._towards_server is None or self._client_ports is None:
            return message
        inner, outer = self._towards_server, self._bind()
        self._towards_server = None
        held: list[bytes] = []
        for kind in (0, 1):
            to_client = _Sender(outer[kind], self._client_ports[kind])
            to_server = _Sender(inner[kind], int(server_ports[2 + kind]))
            if kind == 0:
                self._receive(inner[0], lambda packet, send=to_client: self._relay.media_packet(packet, send, held))
            else:
                self._receive(inner[1], to_client)
            self._receive(outer[kind], to_server if kind == 0 else self._noting(to_server))
        message = _with_ports(message, b"server_port", outer)
        client_ports = b"client_port=%d-%d" % self._client_ports
        return re.sub(rb"client_port=\d+-\d+", client_ports, message)

    def _noting(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def note_and_send(packet: bytes) -> None:
            self._relay.reports.append(packet)
            send(packet)

        return note_and_send

    def close(self) -> None:
        for pair in self._pairs:
            for one in pair:
                self._loop.remove_reader(one)
                one.close()

    def _bind(self) -> Pair:
        pair = bind_pair()
        self._pairs.append(pair)
        return pair

    def _receive(self, from_: socket.socket, take: Callable[[bytes], None]) -> None:
        def ready() -> None:
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                while True:
                    take(from_.recv(65536))

        self._loop.add_reader(from_, ready)


class _Sender:
    """Sends from one socket to one port. Packets that cannot be sent are lost."""

    def __init__(self, from_: socket.socket, port: int) -> None:
        self._from = from_
        self._port = port

    def __call__(self, packet: bytes) -> None:
        with contextlib.suppress(OSError):  # even if it was closed before a delayed packet
            self._from.sendto(packet, ("127.0.0.1", self._port))


def bind_pair() -> Pair:
    """Return two UDP sockets of 127.0.0.1, at an even port and the next one."""
    while True:
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if port % 2:
                raise OSError
            second.bind(("127.0.0.1", port + 1))
        except OSError:
            first.close()
            second.close()
            continue
        for one in (first, second):
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        return first, second


def _with_ports(message: bytes, name: bytes, pair: Pair) -> bytes:
    ports = name + b"=%d-%d" % tuple(one.getsockname()[1] for one in pair)
    return re.sub(name + rb"=\d+-\d+", ports, message)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rewrite: Callable[[bytes], bytes]
) -> None:
    """Forward complete messages and interleaved frames until the connection is closed."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            start = await reader.readexactly(1)
            if start == b"$":
                rest = await reader.readexactly(3)
                frame = await reader.readexactly(int.from_bytes(rest[1:], "big"))
                writer.write(start + rest + frame)
                continue
            head = start + await reader.readuntil(b"\r\n\r\n")
            length = _CONTENT_LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            writer.write(rewrite(head) + body)
            await writer.drain()
