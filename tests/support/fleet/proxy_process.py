"""`partstream fleet proxy` in a process of its own, and a client of it that knows only plain ZeroMQ."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from support.repository import REPOSITORY
from support.waiting import until


@dataclass
class ProxyProcess:
    """The running process, and the file to which it logs."""

    process: subprocess.Popen[bytes]
    file: Path
    endpoint: str = ""
    metrics: str = ""

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.file.read_text()

    async def logged(self, pattern: str) -> str:
        """Wait until it has logged something like this, and return that."""

        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.log
            return re.search(pattern, self.log)

        return (await until(found))[0]


@asynccontextmanager
async def proxy_process(fleet: str, *options: str, bind: str = "tcp://127.0.0.1:0") -> AsyncIterator[ProxyProcess]:
    """Run a proxy of this directory, and kill it at the end. Yield it when it has bound its endpoint."""
    command = [sys.executable, "run_stream.py", "fleet", "proxy", fleet, "--bind", bind, "--metrics", "127.0.0.1:0"]
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen([*command, *options], stderr=log, cwd=REPOSITORY) as process,
    ):
        proxy = ProxyProcess(process, Path(log.name))
        try:
            proxy.metrics = await proxy.logged(r"(?<=metrics at )\S+")
            proxy.endpoint = await proxy.logged(r"(?<=is published at )\S+")
            yield proxy
        finally:
            process.kill()


@dataclass
class PlainClient:
    """A ZeroMQ SUB socket, and the topics and bodies that it has received."""

    socket: zmq.asyncio.Socket
    received: list[tuple[str, bytes]] = field(default_factory=list)

    async def read_until(self, body: bytes) -> None:
        """Receive messages until this body has come."""
        while all(one != body for _, one in self.received):
            topic, one = await self.socket.recv_multipart()
            self.received.append((topic.decode(), one))

    def topics(self) -> set[str]:
        """Return the topics of what it has received."""
        return {topic for topic, _ in self.received}


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
