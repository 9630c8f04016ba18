"""`partstream fleet up`: keeps Ray running on this node, and on the head the process that creates the actors.

It is an ordinary process, which imports no Ray. If it is killed, everything goes on, and the next one adopts it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from fleet.agent.detached_process import DetachedProcess, RunningProcess
from fleet.agent.keeper import Keeper
from fleet.agent.launch import hold
from fleet.agent.node import COORDINATOR, JSON_LOGS_VARIABLE, coordinator_process, known_head, told_runs
from fleet.agent.restart import restart
from fleet.cluster import head_watch, ports, ray_log, token_file
from fleet.cluster.node_watch import NodeWatch
from fleet.cluster.raylet import KILLED_WITHIN_S, Raylet, head_address, ray_environment, raylet
from fleet.cluster.settings import ClusterSettings
from fleet.settings import FleetConfig
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

LONGEST_WAIT_S = 5.0
"""Between attempts to join a head that is away, so that the node is back soon after it."""
RAY_STOPS_WITHIN_S = 5.0
UP = "up"
"""Name of the lock that a supervisor holds."""


class Supervisor:
    """Keeps a node in the fleet. `head` is the host of the head; None: this node is it.

    `json_logs`: coordinator and engines log JSON lines, if Ray is started here. Raises `ConfigError` if the state
    directory cannot be made.
    """

    def __init__(
        self, config: FleetConfig, path: Path, node: str, head: str | None, *, json_logs: bool = False
    ) -> None:
        self._config = config
        self._path = path
        self._node = node
        self._folder = config.cluster.state_directory
        self._is_head = head is None
        self._held: int | None = None
        self._make_folder()
        environment = dict(os.environ) | ({JSON_LOGS_VARIABLE: "1"} if json_logs else {})
        self.raylet: Raylet = raylet(config.cluster, node, path, environment, head)
        ready = None if head is None else partial(head_watch.accepting, head_address(config.cluster, head))
        why = lambda: ray_log.reason(self.raylet.log, self.raylet.log_begin, config.cluster, head)  # noqa: E731
        self._keepers = [Keeper(self.raylet, longest_wait_s=LONGEST_WAIT_S, ready=ready, why=why)]
        coordinator = [self._coordinator()] if self._is_head else []
        engines = [self._engine(name) for name in config.engines_of(node)]
        self._watch = NodeWatch(config, node, engines, coordinator)
        self._watching: asyncio.Task[None] | None = None
        if head is None:
            self._keepers.append(Keeper(driver(config.cluster, path), longest_wait_s=LONGEST_WAIT_S))

    def start(self) -> None:
        """Start or adopt, in the running event loop.

        Raises `ConfigError` if there is no good token or no cluster file, if another program has one of Ray's ports,
        or if another supervisor runs on this node.
        """
        cluster = self._config.cluster
        if self._is_head and token_file.create(cluster.token_file):
            logger.info("%s: a new token. Copy it to the other nodes", cluster.token_file)
        token_file.check(cluster.token_file)
        machines = cluster.autoscaling.config
        if self._is_head and machines is not None and not machines.expanduser().is_file():
            raise ConfigError(f"cluster.autoscaling.config: there is no file {machines}")
        logger.info(
            "Ray listens on all interfaces at most of the ports from %d to %d; this cannot be configured. Let only the "
            "nodes of the fleet reach them. The token is needed there, but nothing is encrypted without RAY_USE_TLS=1",
            cluster.first_port,
            cluster.ports(head=self._is_head)["max-worker-port"],
        )
        self._held = hold(str(self._folder / f"{UP}.lock"), "", sys.argv)
        if self._held is None:
            raise ConfigError(f"`partstream fleet up` runs already on this node ({self._folder})")
        try:
            self._check_ports()
        except ConfigError:
            self._let_go()
            raise
        for keeper in self._keepers:
            keeper.start()
        self._watching = asyncio.create_task(self._watch.run(), name="watch the node")

    async def leave(self) -> None:
        """End, and leave everything running."""
        self._end_watch()
        for keeper in self._keepers:
            await keeper.leave()
        self._let_go()

    async def stop(self) -> None:
        """Stop everything of this node in order: Ray, so that no agent starts an engine; engines; the coordinator."""
        self._end_watch()
        for keeper in reversed(self._keepers):
            await keeper.stop(RAY_STOPS_WITHIN_S)
        self.raylet.end_leftovers()
        await _stop(self._engines())
        await _stop([self._coordinator()])
        self._let_go()

    def kill(self) -> list[str]:
        """Kill everything of this node at once, in the order of `stop`. Returns the names of what runs all the same."""
        left: list[str] = []
        for process in self._of_ray:
            left += _killed(process)
        self.raylet.end_leftovers()
        for process in (*self._engines(), self._coordinator()):
            left += _killed(process)
        return left

    def still_running(self) -> list[str]:
        """Return the names of what runs on this node."""
        return [one.title for one in (*self._of_ray, *self._engines(), self._coordinator()) if one.is_running()]

    async def restart(self, part: str) -> tuple[list[str], bool]:
        """Restart the coordinator, or the engines one after the other. Returns which, and whether all came back."""
        if part == COORDINATOR:
            return await restart([self._coordinator()], None)
        head = known_head(self._folder / "engines")
        return await restart(self._engines(), None if head is None else told_runs(self._config, self._node, head))

    async def stop_other(self) -> None:
        """Tell the supervisor that runs on this node to stop everything, and wait for its end."""
        if (other := DetachedProcess(UP, [], self._folder).adopt()) is not None:
            other.send(signal.SIGTERM)
            await other.ended()

    def _check_ports(self) -> None:
        """Raise `ConfigError` if Ray is to be started, and another program has one of its fixed ports."""
        if self.raylet.is_running():
            return
        self.raylet.end_leftovers()
        cluster = self._config.cluster
        if taken := ports.in_use(cluster.fixed_ports(head=self._is_head)):
            last = cluster.ports(head=self._is_head)["max-worker-port"]
            raise ConfigError(
                f"cluster.first_port: Ray needs the ports from {cluster.first_port} to {last} here, and another "
                f"program has {', '.join(map(str, taken))}. Set another one; if this is the head, also as "
                "cluster.head_port of the other nodes"
            )

    @property
    def _of_ray(self) -> list[DetachedProcess]:
        """Ray and what creates the actors, in the order in which they are stopped."""
        return [keeper.process for keeper in reversed(self._keepers)]

    def _engines(self) -> list[DetachedProcess]:
        return [self._engine(path.stem) for path in sorted((self._folder / "engines").glob("*.lock"))]

    def _engine(self, name: str) -> DetachedProcess:
        return DetachedProcess(name, [], self._folder / "engines", title=f"engine {name}")

    def _coordinator(self) -> DetachedProcess:
        return coordinator_process(self._config, self._path, Path.cwd())

    def _end_watch(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cluster.state_directory: {self._folder} can't be created: {error.strerror}") from None


def driver(cluster: ClusterSettings, config: Path) -> DetachedProcess:
    """Return the process that creates the actors, on the head. `config`: the path of the fleet's configuration."""
    address = f"{cluster.address or '127.0.0.1'}:{cluster.first_port}"
    return DetachedProcess(
        "actors",
        [sys.executable, "-m", "fleet.cluster.driver", address, str(config.resolve())],
        cluster.state_directory,
        directory=Path.cwd(),
        environment=dict(os.environ) | ray_environment(cluster.token_file, os.environ),
        background=True,
        title="Ray's driver",
    )


async def _stop(processes: Iterable[DetachedProcess]) -> None:
    """Stop those that run, in order and all at the same time."""
    found = {process.title: running for process in processes if (running := process.found()) is not None}
    await asyncio.gather(*(_stopped(title, running) for title, running in found.items()))


def _killed(process: DetachedProcess) -> list[str]:
    """Kill a process, and return its name in messages if it runs all the same."""
    found = process.found()
    ended = not process.is_running() if found is None else found.kill(KILLED_WITHIN_S)
    if found is not None:
        found.leave()
    return [] if ended else [process.title]


async def _stopped(title: str, process: RunningProcess) -> None:
    await process.stop()
    logger.info("%s is stopped", title)
