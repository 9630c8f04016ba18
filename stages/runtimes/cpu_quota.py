"""The CPU time that control groups leave to this process, for example those of a container with a CPU limit.

Limits of control groups above the mounted ones can't be seen. Files that are missing or malformed set no limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
_CGROUP = "proc/self/cgroup"
_MOUNTS = "proc/self/mountinfo"
_OCTAL = re.compile(r"\\([0-7]{3})")
"""How a space in a path is written in the list of mounts."""


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the CPU seconds a second, thus cores, that this process may use; None without a limit.

    It is the least limit of the process's control group and those above it, in both versions of control groups. `root`
    is the directory that has `proc` and `sys`.
    """
    quotas = [quota for group in _groups(root) if (quota := _v2(group) or _v1(group)) is not None]
    return min(quotas, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Return the directories of the control groups that limit this process."""
    paths = dict(_paths(root))
    for version, group, point in _mounts(root):
        path = paths.get(version)
        if path is None:
            continue
        mounted = root / point.relative_to("/")
        # In a container, the directory of its own group may be all that is mounted.
        below = path.relative_to(group) if path.is_relative_to(group) and ".." not in path.parts else PurePosixPath()
        yield mounted
        for depth in range(len(below.parts)):
            yield mounted.joinpath(*below.parts[: depth + 1])


def _paths(root: Path) -> Iterator[tuple[int, PurePosixPath]]:
    """Return the version and the path of the process's control groups.

    A line is `3:cpu,cpuacct:/a/b` in version 1 and `0::/a/b` in version 2.
    """
    for line in _lines(root / _CGROUP):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if path.startswith("/") and (not controllers or "cpu" in controllers.split(",")):
            yield 1 if controllers else 2, PurePosixPath(path)


def _mounts(root: Path) -> Iterator[tuple[int, PurePosixPath, PurePosixPath]]:
    """Return the version, the mounted control group and the mount point of each hierarchy that may limit CPU time.

    A line is `31 23 0:28 GROUP POINT rw,relatime - cgroup SOURCE rw,cpu,cpuacct`, with options before the bar.
    """
    for line in _lines(root / _MOUNTS):
        before, _, after = line.partition(" - ")
        place, kind = before.split(), after.split()
        if len(place) < 5 or len(kind) < 3 or not place[4].startswith("/"):
            continue
        version = 2 if kind[0] == "cgroup2" else 1
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and "cpu" in kind[2].split(",")):
            yield version, PurePosixPath(_unescaped(place[3])), PurePosixPath(_unescaped(place[4]))


def _v2(group: Path) -> float | None:
    """Return the limit in `cpu.max`: microseconds or `max`, and the period in microseconds."""
    return _quota(_words(group / "cpu.max"))


def _v1(group: Path) -> float | None:
    """Return the limit of version 1, in which -1 microseconds a period are none."""
    return _quota([*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")])


def _quota(words: list[str]) -> float | None:
    if len(words) != 2 or not all(word.isascii() and word.isdigit() and int(word) for word in words):
        return None
    return int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _unescaped(path: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), path)
