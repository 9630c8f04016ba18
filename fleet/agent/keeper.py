"""Keeping a process running: it is adopted or started, and started again whenever it ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from fleet.agent import log_file
from fleet.agent.detached_process import STOP_WITHIN_S, DetachedProcess, RunningProcess
from fleet.agent.launch import EXIT_RUNNING

logger = logging.getLogger(__name__)

STEADY_AFTER_S = 60.0
"""A process that ran so long counts as one that has never ended before."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Least time from one start to the next, at first and after many."""
ROTATE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A run of a process has ended for certain."""

    run: str
    code: int | None
    """Exit code; negative for a signal; None if not known."""


class Restarts:
    """Waits before a process is started again: none after the first end, and none after a run of some length.

    From one start to the next, it takes at least 1 s after the second end, doubled each time up to `longest_s`.
    """

    def __init__(self, longest_s: float = LONGEST_WAIT_S) -> None:
        self._longest_s = longest_s
        self.count = 0
        """Restarts since the beginning."""
        self._next_s = 0.0

    def wait_s(self, lived_s: float) -> float:
        """Return the wait after a run of `lived_s` seconds."""
        if lived_s >= STEADY_AFTER_S:
            self._next_s = 0.0
        wait_s = max(0.0, self._next_s - lived_s)
        self._next_s = min(max(FIRST_WAIT_S, 2 * self._next_s), self._longest_s)
        self.count += 1
        return wait_s


class Keeper:
    """Keeps one process running until it is told to stop it, or to leave it.

    `on_end` is called in the event loop for each run that ended, also for one that ended before the keeper's start, and
    `on_start` for each that was started or adopted. `ready` is awaited before each start. `why` returns why a run has
    ended by itself, as a sentence without full stop; empty if that is not known.
    """

    def __init__(
        self,
        process: DetachedProcess,
        on_end: Callable[[Ended], None] = lambda ended: None,
        variables: Callable[[str], dict[str, str]] = lambda run: {},
        longest_wait_s: float = LONGEST_WAIT_S,
        ready: Callable[[], Awaitable[None]] | None = None,
        on_start: Callable[[str], None] = lambda run: None,
        why: Callable[[], str] = lambda: "",
    ) -> None:
        self.process = process
        self.running: RunningProcess | None = None
        """The process while it runs."""
        self.last: Ended | None = None
        self.restarts = Restarts(longest_wait_s)
        self._on_end = on_end
        self._on_start = on_start
        self._why = why
        self._variables = variables
        self._ready = ready
        self._looked_back = False
        """Whether the end of a run before the keeper's start was told."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.process.name}")

    async def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Stop the process, also one that was not adopted, with SIGKILL after `within_s`. It is not started again."""
        await self._end()
        self.running = self.running or self.process.found()
        if self.running is not None:
            ended = Ended(self.running.run, await self.running.stop(within_s))
            logger.info("%s is stopped", self.process.title)
            self._forget(ended)

    async def leave(self) -> None:
        """End, and leave the process running for the next keeper."""
        await self._end()
        if self.running is not None:
            self.running.leave()
            self.running = None

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _keep(self) -> None:
        while True:
            try:
                wait_s = await self._run_once()
            except OSError as error:
                logger.error("%s can't be started: %s", self.process.title, error.strerror)
                wait_s = self.restarts.wait_s(0)
            except Exception:
                logger.exception("%s can't be kept running", self.process.name)
                wait_s = self.restarts.wait_s(0)
            await asyncio.sleep(wait_s)

    async def _run_once(self) -> float:
        """Adopt or start the process, wait for its end, and return the time until it is to be started again."""
        clock = asyncio.get_running_loop().time
        if not self._looked_back:
            self._tell_of_earlier_end()
            self._looked_back = True
        self.running = self.process.adopt()
        if self.running is not None:
            self.process.mark_log()
        elif self._ready is not None:
            await self._ready()
        begun_s = clock()
        self.running = self.running or self._started()
        how = "runs already" if self.running.adopted else "is started"
        logger.info("%s %s: process %d", self.process.title, how, self.running.pid)
        self._on_start(self.running.run)
        code = await self._until_ended(self.running)
        wait_s = self.restarts.wait_s(clock() - begun_s)
        if code == EXIT_RUNNING:  # another agent has just started it, and it is adopted next; or a child is left
            self.running = None
            await self._warn_of_left_behind()
        else:
            self._log_end(code)
            self._forget(Ended(self.running.run, code))
        if wait_s:
            logger.warning("%s is started again in %.1f s", self.process.title, wait_s)
        return wait_s

    def _started(self) -> RunningProcess:
        run = secrets.token_hex(16)
        return self.process.start(run, self._variables(run))

    def _tell_of_earlier_end(self) -> None:
        last = self.process.last()
        if last is not None and not self.process.is_running():
            self._tell(Ended(last.run, None))

    async def _warn_of_left_behind(self) -> None:
        try:
            found = await asyncio.to_thread(self.process.left_behind)
        except OSError as error:
            logger.warning("%s: its lock can't be read: %s", self.process.name, error.strerror)
            return
        for pid, name in found.items():
            logger.warning(
                "%s can't be started: process %d (%s), which its last run left behind, holds its lock. End it",
                self.process.name,
                pid,
                name,
            )

    async def _until_ended(self, running: RunningProcess) -> int | None:
        ended = asyncio.ensure_future(running.ended())
        try:
            while not (await asyncio.wait([ended], timeout=ROTATE_EVERY_S))[0]:
                self._rotate()
            return ended.result()
        finally:
            ended.cancel()

    def _rotate(self) -> None:
        try:
            log_file.rotate(self.process.log)
        except OSError as error:
            logger.warning("%s can't be rotated: %s", self.process.log, error.strerror)

    def _log_end(self, code: int | None) -> None:
        why = self._why()
        text = f"{described(code)}; {why}" if why else described(code)
        logger.warning("%s has ended: %s. Its log is %s", self.process.title, text, self.process.log)

    def _forget(self, ended: Ended) -> None:
        self.running, self.last = None, ended
        self._tell(ended)

    def _tell(self, ended: Ended) -> None:
        try:
            self._on_end(ended)
        except Exception:
            logger.exception("the end of %s can't be told", self.process.name)


def described(code: int | None) -> str:
    """Describe an exit code."""
    if code is None:
        return "exit code not known"
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
