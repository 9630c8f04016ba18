"""What Ray leaves running when its first process is killed: it has Ray's ports, and is not found through its parent."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_STATE, _SESSION, _STARTED = 0, 3, 19
"""Fields of /proc/PID/stat after the program's name."""
_ENDED = ("Z", "X")
"""States of a process that has ended and whose parent has not waited for it, as may be long for an adopted one."""


def kill(session: int, started: int) -> list[int]:
    """Kill the processes of Ray in a session whose first process has ended, and return their pids.

    `started`: when the session's first process started, in clock ticks. Engines have sessions of their own.
    """
    if _runs(session):  # it has not ended, or another session has its number by now
        return []
    killed: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_left(folder, session, started):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(folder.name), signal.SIGKILL)
                killed.append(int(folder.name))
    return killed


def _runs(pid: int) -> bool:
    try:
        return _fields(Path("/proc") / str(pid))[_STATE] not in _ENDED
    except (OSError, IndexError):
        return False


def _fields(folder: Path) -> list[str]:
    return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _is_left(folder: Path, session: int, started: int) -> bool:
    try:
        fields = _fields(folder)
        in_session, started_at = int(fields[_SESSION]), int(fields[_STARTED])
        command = (folder / "cmdline").read_bytes()
        owner = folder.stat().st_uid
    except (OSError, IndexError, ValueError):  # a process that ends at this moment may have an empty file
        return False
    is_of_session = in_session == session and started_at >= started and owner == os.getuid()
    return is_of_session and (command.startswith(b"ray::") or b"/ray/" in command or b"ray." in command)
