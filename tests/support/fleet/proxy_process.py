"""`partstream fleet proxy` in a process of its own, and a client of it that knows only plain ZeroMQ."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import zmq
import zmq.asyncio

from support.repository import REPOSITORY


class ProxyProcess:
    """The running process: its addresses, and its log lines so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.endpoint = ""
        self.metrics = ""
        self.log: list[dict[str, Any]] = []

    async def logged(self, text: str) -> str:
        """Wait for a log message that contains this text, and return it."""
        while not (found := [line["message"] for line in self.log if text in line["message"]]):
            await self._read()
        return found[0]

    async def ended(self) -> int:
        """Wait for its end, read the rest of its log, and return its exit code."""
        assert self.process.stderr is not None
        while not self.process.stderr.at_eof():
            await self._read()
        return await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        line = await self.process.stderr.readline()
        if line:
            self.log.append(json.loads(line))
        else:
            assert self.endpoint, f"the proxy has ended: {self.log}"


@asynccontextmanager
async def proxy_process(fleet: str, *options: str, bind: str = "tcp://127.0.0.1:0") -> AsyncIterator[ProxyProcess]:
    """Run a proxy of this directory until it has bound its endpoint, and kill it at the end."""
    command = [sys.executable, str(REPOSITORY / "run_stream.py"), "fleet", "proxy", fleet, "--bind", bind, "--json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--metrics", "127.0.0.1:0"),
        *options,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    proxy = ProxyProcess(process)
    try:
        proxy.metrics = (await proxy.logged("metrics at ")).removeprefix("metrics at ")
        found = re.search(r"is published at (\S+)", await proxy.logged("is published at"))
        assert found is not None
        proxy.endpoint = found[1]
        yield proxy
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class PlainClient:
    """A ZeroMQ SUB socket, and the topics and bodies that it has received."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self.socket = socket
        self.received: list[tuple[bytes, bytes]] = []
        self._bodies: set[bytes] = set()

    @property
    def bodies(self) -> list[bytes]:
        """All bodies so far."""
        return [body for _, body in self.received]

    async def read(self) -> bytes:
        """Receive a message, and return its body."""
        topic, body = await self.socket.recv_multipart()
        self.received.append((topic, body))
        self._bodies.add(body)
        return body

    async def read_until(self, body: bytes) -> None:
        """Receive messages until this body has come."""
        while body not in self._bodies:
            await self.read()

    def messages(self, prefix: str) -> list[dict[str, Any]]:
        """Return what was received on these topics."""
        return [json.loads(body) for topic, body in self.received if topic.startswith(prefix.encode())]


@asynccontextmanager
async def plain_client(endpoint: str, *prefixes: str, **options: Any) -> AsyncIterator[PlainClient]:
    """Connect a client with these subscriptions. `options`: socket options, by name."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    for name, value in options.items():
        socket.setsockopt(getattr(zmq, name), value)
    socket.connect(endpoint)
    for prefix in prefixes:  # after `connect`, so that they are sent in this order
        socket.subscribe(prefix)
    try:
        yield PlainClient(socket)
    finally:
        context.destroy(linger=0)
