"""The agent of a node: it keeps the node's engines running, and tells the coordinator when a run of one has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fleet.agent import kept_file
from fleet.agent.detached_process import DetachedProcess
from fleet.agent.keeper import Ended, Keeper, described
from fleet.agent.last_error import last_error, size_of
from fleet.agent.program import partstream, without_ray

Tell = Callable[[str, str], Awaitable[None]]
"""Tells the coordinator that a run of an engine was started. It raises nothing."""
TellEnd = Callable[[str, str, Mapping[str, str]], Awaitable[None]]
"""Tells it that a run has ended: `how`, with its last `error` and its `log`; nothing of an end before this agent."""
RUN_VARIABLE = "PARTSTREAM_FLEET__RUN"
"""The run that the engine is to have, so that its end can be told even if it never renewed a lease."""


class Agent:
    """Keeps engines running, each with a configuration of its own in `folder`.

    `engines` are the configurations by the engine's name. Relative paths in them are meant from `directory`. `tell`
    tells of runs that have ended, and `tell_start` of those that were started. `json_logs`: the engines log JSON lines.
    """

    def __init__(
        self,
        engines: Mapping[str, Mapping[str, Any]],
        folder: Path,
        directory: Path,
        tell: TellEnd,
        tell_start: Tell | None = None,
        *,
        json_logs: bool = False,
    ) -> None:
        self._log_options = ["--json"] if json_logs else []
        self._configurations = {folder / f"{name}.yaml": settings for name, settings in engines.items()}
        self._tell = tell
        self._tell_start = tell_start
        self._telling: set[asyncio.Task[None]] = set()
        self._log_begins: dict[str, int] = {}
        """Where the log of each engine's present run begins."""
        self.keepers = {name: self._keeper(name, folder, directory) for name in engines}

    def start(self) -> None:
        """Adopt or start the engines, in the running event loop.

        Raises `OSError` if a configuration can't be written and there is none from before.
        """
        for path, settings in self._configurations.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept_file.write(path, str(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)))
        for keeper in self.keepers.values():
            keeper.start()

    def status(self) -> list[dict[str, Any]]:
        """Return what is known of each engine's process: `pid` and `run` are None while it does not run."""
        return [_status(name, keeper) for name, keeper in self.keepers.items()]

    def _keeper(self, name: str, folder: Path, directory: Path) -> Keeper:
        process = DetachedProcess(
            name,
            partstream("run", "--config", str((folder / f"{name}.yaml").resolve()), *self._log_options),
            folder,
            directory=directory,
            environment=without_ray(os.environ),
            title=f"engine {name}",
        )
        return Keeper(
            process,
            lambda ended: self._ended(name, ended),
            lambda run: {RUN_VARIABLE: run},
            on_start=lambda run: self._started(name, run),
        )

    def _ended(self, name: str, ended: Ended) -> None:
        keeper = self.keepers[name]
        log, end = keeper.process.log, dict[str, str]()
        if keeper.last is ended:
            error = last_error(log, self._log_begins.get(name, 0))
            end = {"how": described(ended.code), "error": error, "log": str(log.absolute())}
        self._begin(self._tell(name, ended.run, end))

    def _started(self, name: str, run: str) -> None:
        self._log_begins[name] = size_of(self.keepers[name].process.log)
        if self._tell_start is not None:
            self._begin(self._tell_start(name, run))

    def _begin(self, telling: Awaitable[None]) -> None:
        task = asyncio.ensure_future(telling)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _status(name: str, keeper: Keeper) -> dict[str, Any]:
    running, last = keeper.running, keeper.last
    return {
        "engine": name,
        "pid": None if running is None else running.pid,
        "run": None if running is None else running.run,
        "restarts": keeper.restarts.count,
        "last_end": "" if last is None else described(last.code),
    }
