"""An engine's publisher in a process of its own, so that it can be killed: publishes results of its cameras steadily.

Its arguments are the ids of the cameras. It prints its address as JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

import msgspec

from stream.results import EngineAddress
from support.fleet.published_fleet import engine
from support.repository import REPOSITORY
from support.slow_work import pace

INTERVAL_S = 0.01


@contextmanager
def engine_process(*cameras: str) -> Iterator[tuple[Popen[bytes], EngineAddress]]:
    """Run the process, whose results have generation 1. Return it and its address."""
    command = [sys.executable, "-m", "support.fleet.engine_process", *cameras]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])}
    with Popen(command, stdout=PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process, msgspec.json.decode(process.stdout.readline(), type=EngineAddress)
        finally:
            process.kill()


async def main(cameras: list[str]) -> None:
    """Publish until it is killed."""
    async with engine("process") as publishing:
        print(msgspec.json.encode(publishing.address).decode(), flush=True)
        while True:
            for camera in cameras:
                publishing.frame(camera, 1)
            await pace(INTERVAL_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
