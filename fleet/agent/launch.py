"""Become another program, as the only process that holds a lock: `launch.py LOCK DIRECTORY RUN PROGRAM ARGUMENT…`.

`START_VARIABLE` in the environment is the niceness to have; `+` is `BACKGROUND` more than this process has, if a
process that it starts may go back. The arguments must stay as they are: a program that goes on while partstream is
installed again runs this file, with its own arguments.

It is run as a script, by `DetachedProcess`. The lock is held until the program ends, whatever becomes of the process
that started it, and the file says which process holds it. Exit code 75: another process holds the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

EXIT_RUNNING = 75
EXIT_NO_PROGRAM = 127
LARGEST_DESCRIPTOR = 1 << 20
BACKGROUND = 10
"""Niceness of Ray's processes above that of engines, which else would wait for a core while Ray starts."""
START_VARIABLE, NICE_VARIABLE = "PARTSTREAM_FLEET_START_NICE", "PARTSTREAM_FLEET_NICE"


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (no pathlib here)
            # The second field is the program's name in brackets, which may contain spaces and brackets.
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None


def hold(lock: str, run: str, command: Sequence[str]) -> int | None:
    """Hold a lock in this process, until its end or that of the returned descriptor. None: another process holds it.

    Raises `OSError` if the file can't be written, and then holds nothing.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    state = {"pid": os.getpid(), "started": start_ticks(os.getpid()), "run": run, "command": command}
    body = json.dumps(state).encode()
    try:
        # Over the old text, and shortened afterwards: a full disk has no room for a file that was emptied.
        os.pwrite(descriptor, body, 0)
        os.ftruncate(descriptor, len(body))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def take_niceness(wanted: str) -> None:
    """Take the niceness that is wanted, and tell descendants that of this process, so that they can go back to it."""
    now = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError, ValueError, OverflowError):
        if wanted != "+":
            os.setpriority(os.PRIO_PROCESS, 0, int(wanted))
        elif may_return(now):
            os.environ[NICE_VARIABLE] = str(now)
            os.setpriority(os.PRIO_PROCESS, 0, now + BACKGROUND)


def may_return(niceness: int) -> bool:
    """Return whether a process of this user may go back to a niceness from a higher one. It is tried."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, niceness + 1)
            os.setpriority(os.PRIO_PROCESS, 0, niceness)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main(lock: str, directory: str, run: str, *command: str) -> int:
    os.closerange(3, LARGEST_DESCRIPTOR)  # sockets of the starting process, which would stay open with the program
    os.chdir(directory)
    descriptor = hold(lock, run, command)
    if descriptor is None:
        return EXIT_RUNNING
    os.set_inheritable(descriptor, True)
    take_niceness(os.environ.pop(START_VARIABLE, ""))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 (the log of the program)
        return EXIT_NO_PROGRAM


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
