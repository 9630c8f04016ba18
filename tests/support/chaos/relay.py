"""A bad network between the engine and a camera that sends over TCP. For UDP, `support.rtp.udp_relay` is one.

RTP packets that the camera sends within the RTSP connection are dropped, swapped and doubled; the connection can be
cut, and garbage written into it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from support.rtp.udp_relay import Impairments


class TcpRelay:
    """`await relay.start()`, then the engine connects to `port` instead of the camera's."""

    def __init__(self, camera_port: int, port: int, seed: int) -> None:
        self.port = port
        self.impairments = Impairments()
        self.refuses = False
        self._camera_port = camera_port
        self._random = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self.port, reuse_address=True)

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    def write_garbage(self, amount: int) -> None:
        """Write random bytes to the engine, between two packets of the camera."""
        for writer in list(self._writers):
            if not writer.is_closing():
                writer.write(self._random.randbytes(amount))

    async def _converse(self, engine: asyncio.StreamReader, to_engine: asyncio.StreamWriter) -> None:
        if self.refuses:
            to_engine.transport.abort()
            return
        self._writers.add(to_engine)
        try:
            camera, to_camera = await asyncio.open_connection("127.0.0.1", self._camera_port)
            ways = [
                asyncio.ensure_future(self._copy(engine, to_camera)),
                asyncio.ensure_future(self._impair(camera, to_engine)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            to_camera.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # the camera is off: so seems the relay
        finally:
            self._writers.discard(to_engine)
            to_engine.transport.abort()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _impair(self, camera: asyncio.StreamReader, to_engine: asyncio.StreamWriter) -> None:
        """Pass answers on, and packets as the impairments define."""
        held = b""
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                start = await camera.readexactly(1)
                if start != b"$":
                    line = start + await camera.readuntil(b"\n")
                    to_engine.write(line)  # bodies are of lines, too
                    continue
                head = start + await camera.readexactly(3)
                packet = head + await camera.readexactly(int.from_bytes(head[2:], "big"))
                drop, swap, double = (self._random.random() for _ in range(3))
                if drop < self.impairments.drop:
                    continue
                if swap < self.impairments.swap and not held:
                    held = packet
                    continue
                to_engine.write(packet * (1 + (double < self.impairments.double)) + held)
                held = b""
                await to_engine.drain()
