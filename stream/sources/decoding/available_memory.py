"""How much memory this process has, and can still get: the machine's, or that of its control groups if it is less."""

from __future__ import annotations

from pathlib import Path

from stages.runtimes.control_groups import ROOT, control_groups, read_lines

MEMINFO = "proc/meminfo"
# In control groups of version 2 and of version 1.
LIMIT = ("memory.max", "memory.limit_in_bytes")
USED = ("memory.current", "memory.usage_in_bytes")
STATISTICS = "memory.stat"
DROPPABLE = ("total_inactive_file", "inactive_file")
"""Page cache, which can be dropped for other uses. In version 1, the first includes the groups below."""


def available_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that can be used without swapping; None if the system does not report it.

    `root` is the directory that has `proc` and `sys`.
    """
    return _least(_of_machine("MemAvailable:", root), *(_left(group) for group in control_groups("memory", root)))


def total_bytes(root: Path = ROOT) -> int | None:
    """Return all memory that it can use, whether it is free or not; None if the system does not report it."""
    return _least(_of_machine("MemTotal:", root), *(_limit(group) for group in control_groups("memory", root)))


def _least(*figures: int | None) -> int | None:
    return min((figure for figure in figures if figure is not None), default=None)


def _of_machine(name: str, root: Path) -> int | None:
    for line in read_lines(root / MEMINFO):
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdecimal():
            return int(words[1]) * 1024
    return None


def _left(group: Path) -> int | None:
    """Return what is left of a group's limit; None without one."""
    limit, used = _limit(group), _number(group, USED)
    if limit is None or used is None:
        return None
    figures = dict(line.split(" ", 1) for line in read_lines(group / STATISTICS) if " " in line)
    cached = next((figures[name] for name in DROPPABLE if name in figures), "0")
    return max(0, limit - used + int(cached)) if cached.isdecimal() else None


def _limit(group: Path) -> int | None:
    """Return a group's limit. Without one, version 2 says `max`, and version 1 a number above any machine's memory."""
    return _number(group, LIMIT)


def _number(group: Path, files: tuple[str, str]) -> int | None:
    words = [line for file in files for line in read_lines(group / file)]
    return int(words[0]) if words and words[0].isdecimal() else None
