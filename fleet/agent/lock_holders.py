"""Which processes hold a lock, because they have its file open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def holders(lock: Path) -> dict[int, str]:
    """Return the pids of the processes that have the file open, with their names. Others' processes are not seen."""
    found: dict[int, str] = {}
    with suppress(OSError):
        wanted = lock.stat()
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _has_open(process, wanted):
                with suppress(OSError):
                    found[int(process.name)] = (process / "comm").read_text(errors="replace").strip()
    return found


def _has_open(process: Path, wanted: os.stat_result) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if os.path.samestat(descriptor.stat(), wanted):
                    return True
    return False
