"""What a machine offers: its processor, by which stored choices of a runtime are known, cores and threads."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from pathlib import Path

from stages.runtimes.control_groups import ROOT, cpu_quota

_CPUINFO = Path("/proc/cpuinfo")
_FIELDS = ("vendor_id", "cpu family", "model", "model name", "stepping", "CPU implementer", "CPU part")


def processor(cpuinfo: Path = _CPUINFO) -> str:
    """Return the processor's names and a hash of its instruction sets; virtual machines often hide the exact name."""
    try:
        first = cpuinfo.read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    lines = (line.partition(":") for line in first.splitlines())
    found = {name.strip(): value.strip() for name, _, value in lines}
    flags = " ".join(sorted((found.get("flags") or found.get("Features") or "").split()))
    named = [found[name] for name in _FIELDS if name in found]
    return " ".join([platform.machine(), *named, hashlib.sha256(flags.encode()).hexdigest()[:8]])


def available_cpu(root: Path = ROOT) -> float:
    """Return the CPU seconds a second, thus cores, that this process may use: a fraction if its quota is one.

    `root` is the directory that has `proc` and `sys`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, cpu_quota(root) or math.inf)


def usable_cores(root: Path = ROOT) -> int:
    """Return the number of cores that this process may use, as `available_cpu`, rounded up."""
    return math.ceil(available_cpu(root))


def torch_threads(setting: int) -> int:
    """Return torch's number of threads for `model.threads`. By default, one core is left to decoding."""
    return setting or max(1, usable_cores() - 1)


def runtime_threads(setting: int) -> int:
    """Return the number of threads of the other runtimes for `model.threads`: by default, one for each core.

    Decoding needs no core of its own, because these threads sleep while they wait. Those of torch do not.
    """
    return setting or usable_cores()
