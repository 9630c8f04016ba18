"""A flood of ZeroMQ connections that uses up the descriptors of an engine which may have only few."""

from __future__ import annotations

import asyncio
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from stream.results import Frame
from stream.subscriber import Subscription, subscribe
from support.open_files import open_files
from support.repository import REPOSITORY
from support.waiting import PATIENCE_S, until, wait_until

LIMIT = 256
FLOOD = 400
"""Connections: more than the engine has descriptors."""
REFUSED = "cannot accept connections"

_CLIENTS = """
import sys, zmq

context = zmq.Context()
context.set(zmq.MAX_SOCKETS, 10_000)
clients = [context.socket(zmq.SUB) for _ in range(int(sys.argv[2]))]
for client in clients:
    client.connect(sys.argv[1])
print("connecting", flush=True)
sys.stdin.read()
context.destroy(linger=0)
"""


class Engine:
    """An engine with `LIMIT` descriptors in a process of its own, which logs to a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        arguments = ("door=pattern:128x96@25", "--profile", "free", "--replay", "tcp://127.0.0.1:0")
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "run_stream.py",
                    "run",
                    *arguments,
                    "--pub",
                    "tcp://127.0.0.1:0",
                    "--http",
                    "127.0.0.1:0",
                ],
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)),
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def http(self) -> str:
        return self._address(r"API at (\S+)")

    @property
    def results(self) -> str:
        return self._address(r"results at (\S+),")

    async def use(self, session: aiohttp.ClientSession) -> float:
        """Return the share of descriptors in use, as its metrics have it."""
        async with session.get(f"{self.http}/metrics") as answer:
            found = re.search(r"^partstream_descriptor_use (\S+)$", await answer.text(), re.MULTILINE)
        assert found is not None
        return float(found[1])

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.log)
        assert found is not None
        return found[1]


@contextmanager
def running(folder: Path) -> Iterator[Engine]:
    engine = Engine(folder)
    try:
        wait_until(lambda: "API at " in engine.log)
        yield engine
    finally:
        engine.process.terminate()
        engine.process.wait()


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


async def test_a_flood_of_connections_takes_no_descriptors_from_http_and_results_from_no_subscriber(
    tmp_path: Path,
) -> None:
    unhurried = aiohttp.ClientTimeout(total=PATIENCE_S)
    with running(tmp_path) as engine:
        async with aiohttp.ClientSession(timeout=unhurried) as session, subscribe(engine.results) as earlier:
            await receive(earlier, 1)
            assert await engine.use(session) < 0.5
            with flood(engine.results):
                await until(lambda: open_files(engine.process.pid) > LIMIT // 2)
                asking = [asyncio.create_task(session.get(f"{engine.http}/healthz")) for _ in range(10)]
                await until(lambda: REFUSED in engine.log or all(one.done() for one in asking))
                assert REFUSED not in engine.log
                assert [one.result().status for one in asking] == [200] * len(asking)
                await until(lambda: "further ZeroMQ connections wait" in engine.log)
                assert await engine.use(session) > 0.8
                await receive(earlier, 20)
            async with subscribe(engine.results) as later:
                await receive(later, 3)
            await receive(earlier, 3)
        assert REFUSED not in engine.log
