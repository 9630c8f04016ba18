"""Nodes of a fleet on this machine, each with Ray, an agent and an engine in its own folder."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from fleet.agent.detached_process import DetachedProcess
from support.ports import HIGHEST, reserved_port
from support.repository import REPOSITORY
from support.waiting import until

CAMERAS: tuple[str, ...] = ("a", "b", "c", "d")
PORTS = 32
"""Consecutive ports that Ray needs on a node."""


class Node:
    """One node. `head`: the node that has the coordinator; None: this one."""

    def __init__(self, name: str, folder: Path, head: Node | None) -> None:
        self.name = name
        self.folder = folder
        self.head = head
        self.first_port = consecutive_ports()
        self.results, replay, self.coordinator, directory, more, http = (reserved_port() for _ in range(6))
        folder.mkdir()
        settings: dict[str, Any] = {
            "engine": {
                "model": {"profile": "free", "device": "cpu"},
                "http": {"bind": None},
                "publish": {
                    "endpoint": f"tcp://127.0.0.1:{self.results}",
                    "replay": f"tcp://127.0.0.1:{replay}",
                },
            },
            "cluster": {"first_port": self.first_port, "head_port": (head or self).first_port},
            "coordinator": {
                "bind": f"tcp://127.0.0.1:{self.coordinator}",
                "directory": f"tcp://127.0.0.1:{directory}",
                "replay": f"tcp://127.0.0.1:{more}",
                "http": {"bind": f"127.0.0.1:{http}"},
            },
            "cameras": [{"id": name, "source": "pattern:128x96@10", "expected_mpx": 0.1} for name in CAMERAS],
        }
        if head is not None:
            settings["coordinator"] = head.settings["coordinator"]
        self.settings = settings
        self.url = f"http://{settings['coordinator']['http']['bind']}"
        (folder / "fleet.yaml").write_text(str(yaml.safe_dump(settings)))
        self.state = folder / "fleet"
        self._supervisor: asyncio.subprocess.Process | None = None

    async def up(self) -> None:
        """Run `partstream fleet up`, in a session of its own."""
        arguments = ["--head"]
        if self.head is not None:
            token = self.head.state / "token"
            await until(token.exists)
            self.state.mkdir(mode=0o700, exist_ok=True)
            shutil.copy(token, self.state / "token")
            arguments = ["--join", "127.0.0.1"]
        with (self.folder / "up.log").open("ab") as log:
            self._supervisor = await asyncio.create_subprocess_exec(
                sys.executable,
                str(REPOSITORY / "run_stream.py"),
                *("fleet", "up", "--node", self.name, *arguments),
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def down(self) -> int:
        """Stop `partstream fleet up` in order, and return its exit code."""
        assert self._supervisor is not None
        if self._supervisor.returncode is None:
            self._supervisor.terminate()
        return await self._supervisor.wait()

    def pid(self, name: str) -> int | None:
        """Return the pid of the process with this lock, for example `ray` or `engines/NAME`; None if none runs."""
        path = self.state / name
        process = DetachedProcess(path.name, [], path.parent)
        last = process.last()
        return last.pid if last is not None and process.is_running() else None

    @property
    def engine(self) -> int | None:
        """The pid of the node's engine."""
        return self.pid(f"engines/{self.name}")

    def kill(self) -> None:
        """Kill everything of the node at once: supervisor, Ray, agent, engine."""
        assert self._supervisor is not None
        pids = [self._supervisor.pid, *session(self.pid("ray")), self.engine]
        for pid in filter(None, pids):
            os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return the pids of everything of the node that runs."""
        locks = [self.pid(name) for name in ("up", "ray", "actors", "coordinator", f"engines/{self.name}")]
        return [pid for pid in locks if pid is not None]

    def logs(self) -> str:
        """Return the ends of the node's logs."""
        files = [self.folder / "up.log", *sorted(self.state.rglob("*.log"))]
        return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-3000:]}" for path in files)


def session(first: int | None) -> list[int]:
    """Return the processes of a session."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if first is not None and int(fields[3]) == first:
            found.append(int(path.parent.name))
    return found


def raylet(node: Node) -> int | None:
    """Return the pid of Ray's own process on a node, which the other processes of Ray on it belong to."""
    for pid in session(node.pid("ray")):
        if re.search(rb"/raylet\0", Path(f"/proc/{pid}/cmdline").read_bytes()):
            return pid
    return None


def consecutive_ports() -> int:
    """Return the first of consecutive ports that are free."""
    while True:
        first = reserved_port()
        if first + PORTS < HIGHEST and all(_is_free(port) for port in range(first, first + PORTS)):
            for _ in range(PORTS):
                reserved_port()
            return first


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncGenerator[tuple[Node, Node]]:
    """Run a head `n1` and a node `n2`, and stop both at the end."""
    head = Node("n1", folder / "n1", None)
    other = Node("n2", folder / "n2", head)
    try:
        async with AsyncExitStack() as stack:
            for node in (head, other):
                await node.up()
                stack.push_async_callback(node.down)
            yield head, other
    except BaseException:
        print(head.logs(), other.logs(), sep="\n")
        raise


async def asked(node: Node, path: str) -> Any:
    """Return the coordinator's answer; None if it gives none."""
    try:
        async with aiohttp.ClientSession() as client, client.get(f"{node.url}/api/v1/{path}") as answer:
            return await answer.json() if answer.status == 200 else None
    except (aiohttp.ClientError, OSError):
        return None
