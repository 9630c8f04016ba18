"""What Ray leaves running when its first process is killed: it has Ray's ports, and is not found through its parent."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from fleet.agent.launch import start_ticks

_SESSION, _STARTED = 3, 19
"""Fields of /proc/PID/stat after the program's name."""


def kill(session: int, started: int) -> list[int]:
    """Kill the processes of Ray in a session whose first process has ended, and return their pids.

    `started`: when the session's first process started, in clock ticks. Engines have sessions of their own.
    """
    if start_ticks(session) is not None:  # it has not ended, or another session has its number by now
        return []
    killed: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_left(folder, session, started):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(folder.name), signal.SIGKILL)
                killed.append(int(folder.name))
    return killed


def _is_left(folder: Path, session: int, started: int) -> bool:
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        in_session, started_at = int(fields[_SESSION]), int(fields[_STARTED])
        command = (folder / "cmdline").read_bytes()
        owner = folder.stat().st_uid
    except (OSError, IndexError, ValueError):  # a process that ends at this moment may have an empty file
        return False
    is_of_session = in_session == session and started_at >= started and owner == os.getuid()
    return is_of_session and (command.startswith(b"ray::") or b"/ray/" in command or b"ray." in command)
