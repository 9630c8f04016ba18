"""Publishers with small buffers, so that a reader that stalls misses messages soon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import zmq

from stream.messaging.endpoints import bind


@asynccontextmanager
async def narrow_buffers() -> AsyncIterator[None]:
    """Let publishers that start meanwhile have a few kilobytes of the kernel for each subscriber.

    Otherwise the kernel's buffer grows to megabytes.
    """

    def bind_narrow(socket: zmq.Socket[bytes], endpoint: str, field: str) -> str:
        if field == "publish.endpoint":
            socket.setsockopt(zmq.SNDBUF, 4096)
        return bind(socket, endpoint, field)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream.messaging.publisher.bind", bind_narrow)
        yield
