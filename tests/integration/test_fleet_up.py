"""`partstream fleet up` and `down`, with other programs in place of Ray."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fleet.agent.detached_process import DetachedProcess
from support.repository import REPOSITORY
from support.waiting import until

_PROGRAM = """
import sys
from pathlib import Path
from fleet.agent.detached_process import DetachedProcess
from fleet.cluster import supervisor
from fleet.cluster.raylet import Raylet
from run_stream import app

stubborn = ["sh", "-c", "trap '' TERM; exec sleep 600"]
supervisor.raylet = lambda settings, *_: Raylet("ray", stubborn, settings.state_directory, title="Ray")
supervisor.driver = lambda settings, _: DetachedProcess(
    "actors", stubborn, settings.state_directory, title="Ray's driver"
)
supervisor.ports.in_use = lambda numbers: []
supervisor.RAY_STOPS_WITHIN_S = 3600
app(["fleet", *sys.argv[1:]])
"""


class Node:
    """A node's folder, in which `partstream fleet` is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "fleet.yaml").write_text("cameras: []")
        self.log = ""

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, *arguments),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stderr=asyncio.subprocess.PIPE,
        )
        reading = asyncio.ensure_future(self._read(process))
        try:
            yield process
            await process.wait()
            await reading
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            for name in ("actors", "ray"):
                if (found := DetachedProcess(name, [], self.folder / "fleet").adopt()) is not None:
                    found.send(signal.SIGKILL)
                    found.leave()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.log += line.decode()

    def runs(self, name: str) -> bool:
        return DetachedProcess(name, [], self.folder / "fleet").adopt() is not None


async def test_a_second_signal_kills_what_the_first_is_stopping(tmp_path: Path) -> None:
    node = Node(tmp_path)
    async with node.running("up", "--head") as up:
        await until(lambda: node.runs("ray") and node.runs("actors"))
        up.send_signal(signal.SIGINT)
        await until(lambda: "stopping Ray, the engines and the coordinator" in node.log)
        up.send_signal(signal.SIGINT)
    assert up.returncode == 128 + signal.SIGINT
    assert "everything of this node is killed" in node.log
    assert not node.runs("ray") and not node.runs("actors")


async def test_down_says_what_it_has_left_if_it_is_interrupted(tmp_path: Path) -> None:
    node = Node(tmp_path)
    async with node.running("up", "--head") as up:
        await until(lambda: node.runs("ray") and node.runs("actors"))
        up.kill()
        await up.wait()
        async with node.running("down") as down:
            await until(lambda: "stopping" in node.log)
            down.send_signal(signal.SIGINT)
        assert "left running: Ray's driver, Ray. Run `partstream fleet down`" in node.log
