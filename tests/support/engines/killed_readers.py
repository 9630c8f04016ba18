"""Readers that subscribe to much, read nothing, and are killed, so that their connections end with a reset.

Run as `python -m support.engines.killed_readers ENDPOINT SUBSCRIPTIONS…`: a reader for each number of subscriptions.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack

from stream.subscriber import subscribe
from support.engines.engine_program import EngineProgram
from support.engines.raw_zmtp import PING, raw_peer
from support.repository import REPOSITORY

SUBSCRIPTION = b"\x00\x2f\x01results/v1/camera-%028d"


def main(endpoint: str, numbers: list[int]) -> None:
    """Connect and send, until it is killed."""
    with ExitStack() as stack:
        for number in numbers:
            peer = stack.enter_context(raw_peer(endpoint, b"SUB"))
            peer.sendall(b"\x00\x01\x01")  # to all
            peer.sendall(b"".join(SUBSCRIPTION % topic for topic in range(number)) + PING)
        print("sent", flush=True)
        sys.stdin.read()


async def misses_nothing(engine: EngineProgram, readers: list[int], times: int) -> None:
    """Kill such readers this many times, and assert that the engine lives and another reader misses nothing."""
    async with subscribe(engine.results) as other:
        await anext(other)
        for _ in range(times):
            clients = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "support.engines.killed_readers", engine.results, *map(str, readers)),
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert clients.stdout is not None
            sent = asyncio.ensure_future(clients.stdout.readline())
            while not sent.done():
                await anext(other)
            assert sent.result() == b"sent\n"
            clients.kill()
            await clients.wait()
            for _ in range(3):
                await anext(other)
            assert engine.process.poll() is None, engine.log
        assert other.counts.missed == 0


if __name__ == "__main__":
    main(sys.argv[1], [int(number) for number in sys.argv[2:]])
