"""The commands of the loop, run as a person would run them: `partstream train` and `partstream gate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.run_once import REPOSITORY, RunFailedError
from stages.third_party import weights
from training.sources.watched_videos import watched_cache

CORES = 2
_PROGRAM = REPOSITORY / "run_stream.py"
_SHOWN = 2000
"""Characters of a failed command's output that the error quotes."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A run of `partstream train`: its checkpoint, and seconds of wall time and of CPU time of all its processes."""

    checkpoint: Path
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Gated:
    """What `partstream gate` decided: exit code 0 passed, 1 refused. `checks`: those over all actions, and those of an
    action that were not passed, as in its JSON file."""

    code: int
    checks: Sequence[Mapping[str, Any]]


def train(
    verdicts: Path,
    out: Path,
    settings: Mapping[str, Any],
    *,
    start: str,
    minutes: float,
    watch_again: bool = False,
) -> Trained:
    """Run `partstream train --from START --data VERDICTS` on two cores at most, for `minutes` at most.

    `settings`: a training configuration, {} for the defaults. `watch_again`: watch the clips, as at the first run,
    although they are in the cache. A checkpoint that an earlier call finished is returned again. Raises RunFailedError.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    record = out.with_suffix(".trained.json")
    if record.is_file():
        return Trained(out, **json.loads(record.read_text()))
    config = out.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(dict(settings)))
    command = ["train", "--from", start, "--data", str(verdicts), "--out", str(out), "--minutes", f"{minutes:g}"]
    if settings:
        command += ["--config", str(config)]
    with tempfile.TemporaryDirectory(prefix="partstream-bench-") as folder:
        environment = {"PARTSTREAM_CACHE": str(_unwatched(Path(folder)))} if watch_again else {}
        before = os.times()
        began = time.monotonic()
        done = _run(command, environment)
        seconds, after = time.monotonic() - began, os.times()
    if done.returncode or not out.is_file():
        raise RunFailedError(f"partstream train ended with {done.returncode}: {done.stdout[-_SHOWN:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    figures = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}
    record.write_text(json.dumps(figures))
    return Trained(out, **figures)


def gate(old: str, new: Path, verdicts: Path) -> Gated:
    """Run `partstream gate OLD NEW --data VERDICTS`, without the packaged footage and quiet videos.

    Raises RunFailedError if it cannot decide.
    """
    accepted = ("--allow-unmeasured", "footage", "--allow-unmeasured", "back-test")
    with tempfile.TemporaryDirectory(prefix="partstream-bench-") as folder:
        report = Path(folder, "gate.json")
        done = _run(["gate", old, str(new), "--data", str(verdicts), "--json", str(report), *accepted], {})
        if done.returncode not in (0, 1) or not report.is_file():
            raise RunFailedError(f"partstream gate ended with {done.returncode}: {done.stdout[-_SHOWN:]}")
        checks = json.loads(report.read_text())["checks"]
        return Gated(done.returncode, [one for one in checks if not one["action"] or one["outcome"] != "passed"])


def _run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    return subprocess.run(
        [sys.executable, str(_PROGRAM), *command],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        check=False,
    )


def _unwatched(folder: Path) -> Path:
    """Return a cache with all that is in the user's, except the videos that were watched."""
    for path in weights.cache_dir().iterdir():
        if path != watched_cache():
            (folder / path.name).symlink_to(path)
    return folder
