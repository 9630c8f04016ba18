"""The control groups that limit this process, in both versions of control groups: of a container, a service, a session.

They are sought where every distribution mounts them. Files that are missing or malformed set no limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
_GROUPS, _MOUNT = "proc/self/cgroup", "sys/fs/cgroup"


def control_groups(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """Return the directories of the process's control groups and those above them.

    `controller` is for example `cpu` or `memory`; `root` is the directory that has `proc` and `sys`. In a container,
    the directory of its own group may be all that is mounted.
    """
    # A line is `3:cpu,cpuacct:/a/b` in version 1 and `0::/a/b` in version 2.
    for line in read_lines(root / _GROUPS):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers or controller in controllers.split(","):
            group = root / _MOUNT / controllers
            yield group
            for name in path.strip("/").split("/"):
                group /= name
                yield group


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return how many cores (CPU seconds per second) this process may use; None without a limit."""
    quotas = (_quota(group) for group in control_groups("cpu", root))
    return min((quota for quota in quotas if quota is not None), default=None)


def read_lines(path: Path) -> list[str]:
    """Return a file's lines; none if it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _quota(group: Path) -> float | None:
    """Return a group's limit: microseconds and the period in microseconds, in one file, or in version 1 in two.

    Without a limit, version 2 has `max` microseconds, and version 1 has -1.
    """
    files = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")
    words = " ".join(line for file in files for line in read_lines(group / file)).split()
    if len(words) != 2 or not all(word.isdecimal() and int(word) for word in words):
        return None
    return int(words[0]) / int(words[1])
