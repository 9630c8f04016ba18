"""The control groups that limit this process, in both versions of control groups.

Groups above the mounted ones can't be seen. Lists that are missing or malformed name no group.
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


def control_groups(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """Return the directories of the process's control groups and those above them.

    `controller` is for example `cpu` or `memory`; `root` is the directory that has `proc` and `sys`.
    """
    paths = dict(_paths(controller, root))
    for version, group, point in _mounts(controller, root):
        path = paths.get(version)
        if path is None:
            continue
        mounted = root / point.relative_to("/")
        # In a container, the directory of its own group may be all that is mounted.
        below = path.relative_to(group) if path.is_relative_to(group) and ".." not in path.parts else PurePosixPath()
        yield mounted
        for depth in range(len(below.parts)):
            yield mounted.joinpath(*below.parts[: depth + 1])


def read_lines(path: Path) -> list[str]:
    """Return a file's lines; none if it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _paths(controller: str, root: Path) -> Iterator[tuple[int, PurePosixPath]]:
    """Return the version and the path of the process's control groups.

    A line is `3:cpu,cpuacct:/a/b` in version 1 and `0::/a/b` in version 2.
    """
    for line in read_lines(root / _CGROUP):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if path.startswith("/") and (not controllers or controller in controllers.split(",")):
            yield 1 if controllers else 2, PurePosixPath(path)


def _mounts(controller: str, root: Path) -> Iterator[tuple[int, PurePosixPath, PurePosixPath]]:
    """Return the version, the mounted control group and the mount point of each hierarchy with the controller.

    A line is `31 23 0:28 GROUP POINT rw,relatime - cgroup SOURCE rw,cpu,cpuacct`, with optional fields before the dash.
    """
    for line in read_lines(root / _MOUNTS):
        before, _, after = line.partition(" - ")
        place, kind = before.split(), after.split()
        if len(place) < 5 or len(kind) < 3 or not place[4].startswith("/"):
            continue
        version = 2 if kind[0] == "cgroup2" else 1
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and controller in kind[2].split(",")):
            yield version, PurePosixPath(_unescaped(place[3])), PurePosixPath(_unescaped(place[4]))


def _unescaped(path: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), path)
