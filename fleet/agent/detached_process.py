"""A process that outlives the one that started it, and is found again by the next.

The process has a session of its own and writes to a log file, so that neither a signal to the group of the process
that started it nor a closed pipe ends it. It holds a lock while it runs (`fleet.agent.launch`), so that there is never
a second one with the same lock, and a lock that is free proves that it has ended.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from fleet.agent import launch
from fleet.agent.launch import start_ticks
from fleet.agent.lock_holders import holders
from stream import file_lock

STOP_WITHIN_S = 5.0
"""Time after SIGTERM until SIGKILL. An engine stops within two seconds."""
_DEFAULT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)


class Holder(msgspec.Struct, frozen=True):
    """What the file of a lock says of the process that holds it."""

    pid: int
    started: int
    """Clock ticks after the machine's start."""
    run: str
    command: list[str]


class RunningProcess:
    """A process that was started or adopted. It is watched through a descriptor, so a reused pid is never meant."""

    def __init__(self, pid: int, run: str, command: Sequence[str], descriptor: int, *, adopted: bool) -> None:
        self.pid = pid
        self.run = run
        self.command = tuple(command)
        self.adopted = adopted
        self._descriptor = descriptor
        self._end: asyncio.Future[int | None] | None = None

    async def ended(self) -> int | None:
        """Wait until the process has ended, and return its exit code: negative for a signal, None if not known.

        The exit code of an adopted process is known only to its parent.
        """
        return await asyncio.shield(self._watched())

    async def stop(self, within_s: float = STOP_WITHIN_S) -> int | None:
        """Send SIGTERM, and SIGKILL after `within_s`. Returns what `ended` does."""
        ended = self._watched()
        self.send(signal.SIGTERM)
        await asyncio.wait([ended], timeout=within_s)
        if not ended.done():
            self.send(signal.SIGKILL)
        return await asyncio.shield(ended)

    def kill(self, within_s: float) -> bool:
        """Send SIGKILL, and return whether the process has ended within this time. Blocks until then."""
        if self._descriptor < 0:
            return True
        self.send(signal.SIGKILL)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(1000 * within_s))

    def send(self, number: signal.Signals) -> None:
        """Send a signal, which is ignored if the process has ended."""
        if self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def leave(self) -> None:
        """Stop watching the process, which goes on."""
        if self._end is not None:
            self._end.get_loop().remove_reader(self._descriptor)
            self._end.cancel()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _watched(self) -> asyncio.Future[int | None]:
        if self._end is None:
            loop = asyncio.get_running_loop()
            self._end = loop.create_future()
            loop.add_reader(self._descriptor, self._take_end)
        return self._end

    def _take_end(self) -> None:
        assert self._end is not None
        self._end.get_loop().remove_reader(self._descriptor)
        self._end.set_result(self._exit_code())
        os.close(self._descriptor)
        self._descriptor = -1

    def _exit_code(self) -> int | None:
        try:
            result = os.waitid(os.P_PIDFD, self._descriptor, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return None
        if result is None:
            return None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


class DetachedProcess:
    """How a process is started and found again. Its folder has to be on a local disk.

    `name` names its files in `folder`: `name.lock`, and the log `name.log`. `title` is its name in messages, by default
    the same. `background`: it and what it starts have
    a lower priority, except for what is started here again. That needs the right to restore it (root, RLIMIT_NICE).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        background: bool = False,
        title: str = "",
    ) -> None:
        self.name = name
        self.title = title or name
        self.command = tuple(command)
        self.log = folder / f"{name}.log"
        self.log_begin = 0
        """Where the text begins in the log that was written since `start` or `mark_log`."""
        self._lock = folder / f"{name}.lock"
        self._directory = directory or folder
        self._environment = environment
        self._background = background

    def start(self, run: str, further: Mapping[str, str] | None = None) -> RunningProcess:
        """Start the process; `further` are variables of its environment. Blocks for about a millisecond.

        If another process holds the lock, this one ends with the code `launch.EXIT_RUNNING`. Raises `OSError`.
        """
        environment = dict(os.environ if self._environment is None else self._environment) | dict(further or {})
        arguments = [sys.executable, "-I", "-S", launch.__file__, str(self._lock.resolve()), str(self._directory), run]
        environment[launch.START_VARIABLE] = "+" if self._background else os.environ.get(launch.NICE_VARIABLE, "")
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.log_begin = os.fstat(log).st_size
        try:
            pid = os.posix_spawn(
                sys.executable,
                [*arguments, *self.command],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=_DEFAULT_SIGNALS,
            )
        finally:
            os.close(log)
        return RunningProcess(pid, run, self.command, os.pidfd_open(pid), adopted=False)

    def mark_log(self) -> None:
        """Let the text in the log begin here: what is there by now is of earlier."""
        with suppress(OSError):
            self.log_begin = self.log.stat().st_size

    def adopt(self) -> RunningProcess | None:
        """Return the process that runs, if it may go on as it is; None otherwise."""
        return self.found()

    def found(self) -> RunningProcess | None:
        """Return the process that holds the lock; None if none does, or if it has not said yet which it is."""
        holder = self.last() if self.is_running() else None
        if holder is None:
            return None
        try:
            descriptor = os.pidfd_open(holder.pid)
        except OSError:
            return None
        # The descriptor is of the process that had the pid before this comparison, and so had the start time.
        if start_ticks(holder.pid) != holder.started:
            os.close(descriptor)
            return None
        return RunningProcess(holder.pid, holder.run, holder.command, descriptor, adopted=True)

    def is_running(self) -> bool:
        """Return whether a process holds the lock."""
        return file_lock.is_held(self._lock)

    def left_behind(self) -> dict[int, str]:
        """Return the pids and names of processes that hold the lock of a run whose own process has ended.

        They have inherited it, and no run can be started before they end. Reads all of /proc.
        """
        last = self.last()
        if last is None or start_ticks(last.pid) == last.started or not self.is_running():
            return {}
        return holders(self._lock)

    def last(self) -> Holder | None:
        """Return the process that holds the lock, or was the last to hold it; None if there was none."""
        try:
            return msgspec.json.decode(self._lock.read_bytes(), type=Holder)
        except (OSError, ValueError):
            return None
