"""More ZeroMQ connections than an engine has file descriptors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from stream.results import Frame
from stream.subscriber import Subscription, subscribe
from support.engines.engine_program import engine_program
from support.open_files import open_files
from support.waiting import PATIENCE_S, until

LIMIT = 128
FLOOD = 200

_CLIENTS = """
import sys, zmq

context = zmq.Context()
clients = [context.socket(zmq.SUB) for _ in range(int(sys.argv[2]))]
for client in clients:
    client.connect(sys.argv[1])
print("connecting", flush=True)
sys.stdin.read()
context.destroy(linger=0)
"""


@contextmanager
def flood(endpoint: str) -> Iterator[None]:
    """Have another process open `FLOOD` connections, and keep those that are accepted."""
    arguments = [sys.executable, "-c", _CLIENTS, endpoint, str(FLOOD)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
        assert clients.stdout is not None
        assert clients.stdout.readline() == b"connecting\n"
        yield
        clients.communicate()


async def receive(subscription: Subscription[Frame], count: int) -> None:
    for _ in range(count):
        await anext(subscription)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Ask, and return whether the answer is 200. A refusal is a status, or the end of the connection."""
    try:
        async with session.get(url) as answer:
            assert answer.status in (200, 503)
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def test_without_a_free_descriptor_cameras_go_on_and_http_clients_are_served_later(tmp_path: Path) -> None:
    unhurried = aiohttp.ClientTimeout(total=PATIENCE_S)
    with engine_program(tmp_path, LIMIT) as engine:
        async with aiohttp.ClientSession(timeout=unhurried) as session, subscribe(engine.results) as earlier:
            await receive(earlier, 1)
            with flood(engine.results):
                await until(lambda: open_files(engine.process.pid) >= LIMIT - 1)
                asking = asyncio.create_task(answers(session, f"{engine.http}/healthz"))
                await receive(earlier, 50)
                assert earlier.counts.missed == 0
            async with subscribe(engine.results) as later:
                await receive(later, 3)
            await asking
            await until(lambda: answers(session, f"{engine.http}/healthz"))
