"""How much memory this process has, and can still get: the machine's, or that of its container if it is less."""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def available_bytes(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Return the memory that can be used without swapping; None if the system does not report it."""
    return _less(_of_machine("MemAvailable:", meminfo), _of_container(cgroup))


def total_bytes(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Return all memory that it can use, whether it is free or not; None if the system does not report it."""
    return _less(_of_machine("MemTotal:", meminfo), _limit(cgroup))


def _less(machine: int | None, container: int | None) -> int | None:
    return container if machine is None else machine if container is None else min(machine, container)


def _of_machine(name: str, meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _of_container(cgroup: Path) -> int | None:
    """Return what is left of a container's limit; None without one. Its page cache can be dropped for other uses."""
    limit = _limit(cgroup)
    if limit is None:
        return None
    try:
        used = int((cgroup / "memory.current").read_text())
        cached = 0
        for line in (cgroup / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                cached = int(value)
        return max(0, limit - used + cached)
    except (OSError, ValueError):
        return None


def _limit(cgroup: Path) -> int | None:
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit)
    except (OSError, ValueError):
        return None
