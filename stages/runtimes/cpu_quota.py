"""The CPU time that control groups leave to this process, for example those of a container with a CPU limit."""

from __future__ import annotations

from pathlib import Path

from stages.runtimes.control_groups import ROOT, control_groups, read_lines


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return how many cores (CPU seconds per second) this process may use; None without a limit.

    It is the lowest limit of the process's control groups and those above them. `root` is the directory that has `proc`
    and `sys`. Files that are missing or malformed set no limit.
    """
    groups = control_groups("cpu", root)
    return min((quota for group in groups if (quota := _v2(group) or _v1(group)) is not None), default=None)


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
    return " ".join(read_lines(path)).split()
