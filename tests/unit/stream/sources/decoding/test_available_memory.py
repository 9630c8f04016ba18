"""Memory that the machine and its control groups leave, in fake trees of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.sources.decoding.available_memory import available_bytes, total_bytes

MIB = 1 << 20
V2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


def tree(root: Path, groups: str = "", mounts: str = "", **files: str) -> Path:
    """Write a root directory. `files`: contents by path below `/sys/fs/cgroup`."""
    for name, text in {
        "proc/meminfo": "MemTotal: 10240 kB\nMemAvailable:   2048 kB\n",
        "proc/self/cgroup": groups,
        "proc/self/mountinfo": mounts,
        **{f"sys/fs/cgroup/{path}": text for path, text in files.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(root: Path, limit: str, group: str = "") -> Path:
    files = {"memory.max": limit, "memory.current": "900\n", "memory.stat": "anon 1\ninactive_file 300\n"}
    return tree(root, f"0::/{group}\n", V2, **{f"{group}{name}": text for name, text in files.items()})


def test_without_control_groups_the_machines_memory_counts(tmp_path: Path) -> None:
    assert (available_bytes(tree(tmp_path)), total_bytes(tmp_path)) == (2 * MIB, 10 * MIB)


@pytest.mark.parametrize(
    ("limit", "left", "total"),
    [
        ("max\n", 2 * MIB, 10 * MIB),
        ("1000\n", 400, 1000),
        ("800\n", 200, 800),
        ("500\n", 0, 500),
        (f"{1 << 40}\n", 2 * MIB, 10 * MIB),
        ("broken", 2 * MIB, 10 * MIB),
    ],
)
@pytest.mark.parametrize("group", ["", "a/"])
def test_a_groups_limit_counts_if_it_leaves_less_than_the_machine(
    limit: str, left: int, total: int, group: str, tmp_path: Path
) -> None:
    assert (available_bytes(v2(tmp_path, limit, group)), total_bytes(tmp_path)) == (left, total)
