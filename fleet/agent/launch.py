"""Become another program, as the only process that holds a lock: `launch.py LOCK DIRECTORY RUN PROGRAM ARGUMENT…`.

It is run as a script, by `DetachedProcess`. The lock is held until the program ends, whatever becomes of the process
that started it, and the file says which process holds it. Exit code 75: another process holds the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Sequence

EXIT_RUNNING = 75
EXIT_NO_PROGRAM = 127
LARGEST_DESCRIPTOR = 1 << 20


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


def main(lock: str, directory: str, run: str, *command: str) -> int:
    os.closerange(3, LARGEST_DESCRIPTOR)  # sockets of the starting process, which would stay open with the program
    os.chdir(directory)
    descriptor = hold(lock, run, command)
    if descriptor is None:
        return EXIT_RUNNING
    os.set_inheritable(descriptor, True)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 (the log of the program)
        return EXIT_NO_PROGRAM


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
