"""A program under chaos: it is started, killed, suspended and limited, and ends with the harness."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from support.chaos.pacing import within
from support.repository import REPOSITORY

PAGE = os.sysconf("SC_PAGE_SIZE")
STOPS_WITHIN_S = 60.0


class Program:
    """`python ARGUMENTS…` in the repository, with its output in `log`. `wanted`: whether it should be running now."""

    def __init__(self, name: str, arguments: list[str], log: Path, *, commands: bool = False) -> None:
        self.name = name
        self.arguments = arguments
        self.log = log
        self.wanted = False
        self.suspended = False
        self._commands = commands
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll() if self._process is not None else -1

    def start(self) -> None:
        """Start the process."""
        path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, *self.arguments],
                stdin=subprocess.PIPE if self._commands else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            )
        self.wanted, self.suspended = True, False

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it at once."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()

    async def terminate(self) -> float | None:
        """Send SIGTERM, and return how long it took to end; None if it had to be killed."""
        self.wanted = False
        self.resume()
        if self._process is None or self.ended is not None:
            return 0.0
        self._process.terminate()
        took = await within(STOPS_WITHIN_S, lambda: self.ended is not None)
        if took is None:
            self.kill()
        return took

    def suspend(self) -> None:
        """Stop it (SIGSTOP)."""
        self.suspended = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it (SIGCONT)."""
        self.suspended = False
        self._signal(signal.SIGCONT)

    def limit(self, what: int, value: int | None) -> None:
        """Set the soft limit of a resource; None: as much as the hard limit allows."""
        with contextlib.suppress(ProcessLookupError):
            hard = resource.prlimit(self.pid, what)[1]
            resource.prlimit(self.pid, what, (hard if value is None else value, hard))

    def soft_limit(self, what: int) -> int:
        """Return the soft limit of a resource."""
        return resource.prlimit(self.pid, what)[0]

    def descriptors(self) -> int:
        """Return the number of its open files."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.ended is None:
            os.kill(self._process.pid, number)
