"""An engine with a test pattern in a process of its own, so that it can be limited and can end."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.repository import REPOSITORY
from support.waiting import wait_until


class EngineProgram:
    """The engine, which logs to a file in `folder`. `files`: descriptors that it may have."""

    def __init__(self, folder: Path, files: int | None = None) -> None:
        self._log = folder / "log"
        own = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits = (files, files) if files is not None else own
        addresses = ("--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0")
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "run_stream.py", "run", "door=pattern:128x96@25", "--profile", "free", *addresses],
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
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

    @property
    def replay(self) -> str:
        return self._address(r"replay at (\S+)")

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.log)
        assert found is not None
        return found[1]


@contextmanager
def engine_program(folder: Path, files: int | None = None) -> Iterator[EngineProgram]:
    engine = EngineProgram(folder, files)
    try:
        wait_until(lambda: "API at " in engine.log)
        yield engine
    finally:
        engine.process.terminate()
        engine.process.wait()
