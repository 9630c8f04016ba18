"""Nodes of a fleet on this machine, each with Ray, an agent and an engine in its own folder."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.fleet.ports import consecutive_ports, reserved_port
from benchmarks.run_once import REPOSITORY
from fleet.agent.detached_process import DetachedProcess
from fleet.cluster.settings import LONGEST_TEMP_DIRECTORY

POLL_S = 0.02
ACTOR = re.compile(rb"ray::(Agent|Coordinator)Actor")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Ports of the head, which are those of the next head too, because both are on this machine."""

    first: int = field(default_factory=consecutive_ports)
    """First port of its Ray."""
    coordinator: int = field(default_factory=reserved_port)
    directory: int = field(default_factory=reserved_port)
    replay: int = field(default_factory=reserved_port)
    http: int = field(default_factory=reserved_port)

    @property
    def settings(self) -> dict[str, Any]:
        """The section `coordinator` of the configuration."""
        return {
            "bind": f"tcp://127.0.0.1:{self.coordinator}",
            "directory": f"tcp://127.0.0.1:{self.directory}",
            "replay": f"tcp://127.0.0.1:{self.replay}",
            "http": {"bind": f"127.0.0.1:{self.http}"},
        }


class Node:
    """One node of a fleet. It is the head unless `token` is given.

    `token`: the folder of the state of the node whose token it copies. `through`: the port at which it reaches the
    coordinator, if not the coordinator's own. `further`: other sections of the configuration.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        addresses: Addresses,
        *,
        token: Path | None = None,
        is_head: bool | None = None,
        through: int | None = None,
        cameras: Sequence[dict[str, Any]] = (),
        further: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.addresses = addresses
        self.is_head = token is None if is_head is None else is_head
        self.first_port = addresses.first if self.is_head else consecutive_ports()
        self.results, replay = reserved_port(), reserved_port()
        self.state = folder / "fleet"
        self.url = f"http://127.0.0.1:{addresses.http}"
        self._token = token
        self._supervisor: asyncio.subprocess.Process | None = None
        rays = folder / "ray"
        # Nodes that share a directory may fail to start at the same time. The folders of tests are too long for one.
        of_ray = {"temp_directory": str(rays)} if len(str(rays)) <= LONGEST_TEMP_DIRECTORY else {}
        settings: dict[str, Any] = {
            "engine": {
                "model": {"profile": "free", "device": "cpu"},
                "http": {"bind": None},
                "publish": {
                    "endpoint": f"tcp://127.0.0.1:{self.results}",
                    "replay": f"tcp://127.0.0.1:{replay}",
                },
            },
            "cluster": {"first_port": self.first_port, "head_port": addresses.first} | of_ray,
            "coordinator": addresses.settings,
            "cameras": list(cameras),
        } | (further or {})
        if through is not None:
            settings["coordinator"] |= {"bind": f"tcp://127.0.0.1:{through}"}
        folder.mkdir()
        (folder / "fleet.yaml").write_text(str(yaml.safe_dump(settings)))

    async def up(self) -> None:
        """Run `partstream fleet up`, in a session of its own."""
        if self._token is not None:
            token = self._token / "token"
            while not token.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(POLL_S)
            self.state.mkdir(mode=0o700, exist_ok=True)
            shutil.copy(token, self.state / "token")
        arguments = ["--head"] if self.is_head else ["--join", "127.0.0.1"]
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
        """Stop `partstream fleet up` in order, and return its exit code; 0 if it was not started."""
        if self._supervisor is None:
            return 0
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

    @property
    def raylet(self) -> int | None:
        """The pid of Ray's own process on the node, which the other processes of Ray on it belong to."""
        return self.process_of_ray(rb"/raylet\0")

    @property
    def gcs(self) -> int | None:
        """The pid of the process with the cluster's state, on the head."""
        return self.process_of_ray(rb"/gcs_server\0")

    def process_of_ray(self, pattern: bytes) -> int | None:
        """Return the pid of a process of the node's Ray whose command line matches."""
        for pid in session(self.pid("ray")):
            if re.search(pattern, _command_line(pid)):
                return pid
        return None

    def actors(self) -> set[int]:
        """Return the pids of the fleet's actors that run on the node."""
        return {pid for pid in session(self.pid("ray")) if ACTOR.match(_command_line(pid))}

    def signal_supervisor(self, number: signal.Signals) -> None:
        """Send a signal to `partstream fleet up`."""
        assert self._supervisor is not None
        self._supervisor.send_signal(number)

    def kill_ray(self) -> None:
        """Kill all processes of the node's Ray at once."""
        for pid in session(self.pid("ray")):
            _kill(pid)

    def kill(self) -> None:
        """Kill everything of the node at once: supervisor, Ray, agent, engine, and the coordinator if it is here."""
        pids = [self._supervisor.pid] if self._supervisor is not None and self._supervisor.returncode is None else []
        pids += session(self.pid("ray")) + self.processes()
        for pid in pids:
            _kill(pid)

    def processes(self) -> list[int]:
        """Return the pids of everything of the node that runs."""
        locks = [self.pid(name) for name in ("up", "ray", "actors", "coordinator", f"engines/{self.name}")]
        return [pid for pid in locks if pid is not None]

    def logs(self) -> str:
        """Return the ends of the node's logs."""
        files = [self.folder / "up.log", *sorted(self.state.rglob("*.log"))]
        return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-3000:]}" for path in files if path.exists())


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


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
