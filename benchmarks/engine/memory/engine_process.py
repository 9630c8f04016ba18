"""The engine in a process of its own, as `partstream run` starts it, and samples of what it holds."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from benchmarks.fleet.ports import reserved_port

PAGE = os.sysconf("SC_PAGE_SIZE")
REPOSITORY = Path(__file__).resolve().parents[3]
STARTS_WITHIN_S = 300.0
STOPS_WITHIN_S = 60.0
ANSWERS_WITHIN_S = 300.0
"""Long, because other programs may use the machine."""
ASKS_EACH_S = 0.1
PEOPLE = ["-m", "benchmarks.engine.memory.programs.people_engine"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds, `seconds` after the start of the run, when `done` units of the load were done."""

    seconds: float
    done: int
    resident: int
    threads: int
    descriptors: int
    series: int | None = None
    """Metric series that the engine exports."""


class EngineProcess:
    """`async with EngineProcess(folder, settings) as engine`: the engine is ready. Its log is `folder`/engine.log.

    `program`: the command line of partstream, by default the one that sees passers-by; `environment` is added to its
    environment.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        *,
        program: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        publish, replay, http = reserved_port(), reserved_port(), reserved_port()
        self.endpoint, self.replay = f"tcp://127.0.0.1:{publish}", f"tcp://127.0.0.1:{replay}"
        self.address = f"http://127.0.0.1:{http}"
        self.folder = folder
        self.log = folder / "engine.log"
        self._program = program or PEOPLE
        self._environment = environment or {}
        self._settings = {
            **settings,
            "publish": {"endpoint": self.endpoint, "replay": self.replay, **settings.get("publish", {})},
            "http": {"bind": f"127.0.0.1:{http}", **settings.get("http", {})},
        }
        self._process: Process | None = None
        self._began_s = 0.0

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit code, or None while it runs."""
        assert self._process is not None
        return self._process.returncode

    async def __aenter__(self) -> Self:
        configuration = self.folder / "engine.yaml"
        configuration.write_text(yaml.safe_dump(self._settings))
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *["setpriv", "--pdeathsig", "KILL", sys.executable, *self._program, "run", "--config", configuration],
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **self._environment},
            )
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S))
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                while not await self._answers():
                    if self.ended is not None:
                        raise RuntimeError(f"the engine ended with {self.ended}: {self.log.read_text()[-3000:]}")
                    await asyncio.sleep(ASKS_EACH_S)
        except BaseException:
            await self.__aexit__()
            raise
        self._began_s = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        if self._process is None or self.ended is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOPS_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _answers(self) -> bool:
        try:
            async with self.session.get(f"{self.address}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def series(self) -> int:
        """Return the number of metric series."""
        async with self.session.get(f"{self.address}/metrics") as answer:
            page = await answer.text()
        return sum(1 for line in page.splitlines() if line and not line.startswith("#"))

    def sample(self, done: int, series: int | None = None) -> Sample:
        """Return what the process holds now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        threads = int(status.partition("\nThreads:")[2].split()[0])
        resident = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE
        descriptors = sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())
        return Sample(round(time.monotonic() - self._began_s, 2), done, resident, threads, descriptors, series)


class SampleLog:
    """Samples of a run, which are also written to a file as they come, a JSON line each."""

    def __init__(self, path: Path) -> None:
        self.samples: list[Sample] = []
        self._path = path

    def add(self, sample: Sample) -> None:
        """Keep a sample."""
        self.samples.append(sample)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(sample)) + "\n")
