"""Limits of CPU time by control groups, in fake trees of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.runtimes.control_groups import cpu_quota
from stages.runtimes.machine import available_cpu, usable_cores

V1_GROUPS = "4:cpuset:/other\n3:cpu,cpuacct:/docker/a\n1:name=systemd:/docker/a\n"


def tree(root: Path, groups: str, **files: str) -> Path:
    """Write a root directory. `files`: contents by path below `/sys/fs/cgroup`."""
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{path}": files[path] for path in files}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(root: Path, *limits: str, path: str = "/a/b") -> Path:
    """Write a tree of version 2, with the limits of the mounted group and of those below it on the path."""
    places = ["cpu.max", "a/cpu.max", "a/b/cpu.max"]
    return tree(root, f"0::{path}\n", **dict(zip(places, limits, strict=False)))


def v1(root: Path, quota: str, period: str = "100000\n", above: str = "-1\n") -> Path:
    group = "cpu,cpuacct/docker"
    files = {f"{group}/cpu.cfs_quota_us": above, f"{group}/cpu.cfs_period_us": "100000\n"}
    files |= {f"{group}/a/cpu.cfs_quota_us": quota, f"{group}/a/cpu.cfs_period_us": period}
    return tree(root, V1_GROUPS, **files)


@pytest.mark.parametrize(
    ("limits", "quota"),
    [
        (("max 100000\n", "max 100000\n", "150000 100000\n"), 1.5),
        (("max 100000\n", "50000 100000\n", "150000 100000\n"), 0.5),
        (("80000 40000\n", "max 100000\n", "400000 100000\n"), 2.0),
        (("max 100000\n", "max 100000\n", "max 100000\n"), None),
        (("", "garbage\n", "30000\n"), None),
        (("0 100000\n", "-5 100000\n", "100 0\n"), None),
        ((), None),
    ],
)
def test_the_least_limit_on_the_path_to_the_root_counts(
    limits: tuple[str, ...], quota: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(v2(tmp_path, *limits)) == quota


def test_where_only_the_containers_own_group_is_mounted_its_limit_counts(tmp_path: Path) -> None:
    assert cpu_quota(v2(tmp_path, "150000 100000\n", path="/docker/x")) == 1.5


@pytest.mark.parametrize(
    ("quota", "period", "above", "expected"),
    [
        ("150000\n", "100000\n", "-1\n", 1.5),
        ("-1\n", "100000\n", "-1\n", None),
        ("-1\n", "100000\n", "400000\n", 4.0),
        ("400000\n", "100000\n", "200000\n", 2.0),
        ("much\n", "100000\n", "-1\n", None),
        ("150000\n", "", "-1\n", None),
        ("150000\n", "0\n", "-1\n", None),
    ],
)
def test_version_1_has_quota_and_period_in_two_files(
    quota: str, period: str, above: str, expected: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(v1(tmp_path, quota, period, above)) == expected


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    assert cpu_quota(tmp_path) is None
    assert available_cpu(tmp_path) == usable_cores(tmp_path) == cores


def test_usable_cores_are_the_quota_rounded_up_and_at_most_those_of_the_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    for number, (limit, cpu, cores) in enumerate(
        [("30000", 0.3, 1), ("100000", 1, 1), ("110000", 1.1, 2), ("max", 4, 4), ("900000", 4, 4)]
    ):
        root = v2(tmp_path / str(number), "", "", f"{limit} 100000\n")
        assert available_cpu(root) == cpu and usable_cores(root) == cores
