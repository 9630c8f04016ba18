"""Run the test suite several times on a loaded machine, to find tests that do not always pass.

    python -m tools.flaky [--runs 5] [--load 2] [--minutes 8] [-- ARGUMENTS OF PYTEST]

`stress-ng` loads `--load` cores meanwhile. Logs are written to build/flaky. The exit status is 1 if a run failed, or
took more than `--minutes`.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

OUTPUT = Path("build/flaky")
RUN_WITHIN_S = 3 * 3600.0
"""A run that takes longer hangs."""


@dataclass(frozen=True)
class Run:
    """One run of the suite. `status` is pytest's exit status, None if it hung; `failed` names the failed tests."""

    status: int | None
    passed: int
    failed: list[str]
    seconds: float
    limit_s: float = math.inf

    @property
    def result(self) -> str:
        """How the run ended."""
        if self.status is None:
            return "hung"
        if self.status != 0:
            return "failed"
        return "passed" if self.seconds <= self.limit_s else "too slow"


@contextmanager
def load(cores: int) -> Iterator[None]:
    """Keep this many cores busy."""
    program = shutil.which("stress-ng")
    if program is None:
        sys.exit("stress-ng is missing. Install it: deploy/system-packages.sh flaky")
    stress = subprocess.Popen([program, "--cpu", str(cores), "--quiet"])
    try:
        yield
    finally:
        stress.terminate()
        stress.wait()


def run_suite(number: int, arguments: Sequence[str], limit_s: float) -> Run:
    """Run pytest once, with its output in `OUTPUT`: a line for each test as it ends, so that failures show early."""
    report = OUTPUT / f"run-{number}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "--verbose", f"--junitxml={report}", *arguments]
    began = time.monotonic()
    with (OUTPUT / f"run-{number}.log").open("wb") as log:
        try:
            status = subprocess.run(command, stdout=log, stderr=log, timeout=RUN_WITHIN_S, check=False).returncode
        except subprocess.TimeoutExpired:
            status = None
    passed, failed = outcomes(report)
    return Run(status, passed, failed, time.monotonic() - began, limit_s)


def outcomes(report: Path) -> tuple[int, list[str]]:
    """Return how many tests passed, and the names of those that failed, from a JUnit report (none: 0 and [])."""
    if not report.exists():
        return 0, []
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - len(failed) - skipped, [f"{case.get('classname')}::{case.get('name')}" for case in failed]


def table_of(runs: Sequence[Run]) -> Table:
    """Return one row for each run."""
    table = Table("Run", "Result", "Passed", "Minutes", Column("Failed", overflow="fold"))
    for number, run in enumerate(runs, start=1):
        table.add_row(str(number), run.result, str(run.passed), f"{run.seconds / 60:.1f}", "\n".join(run.failed))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the test suite several times on a loaded machine.")
    parser.add_argument("--runs", type=int, default=5, help="runs of the suite")
    parser.add_argument("--load", type=int, default=2, help="cores that stress-ng keeps busy")
    parser.add_argument("--minutes", type=float, default=math.inf, help="longest that a run may take")
    parser.add_argument("arguments", nargs="*", help="arguments of pytest, after --")
    options = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    with load(options.load):
        for number in range(1, options.runs + 1):
            runs.append(run_suite(number, options.arguments, 60 * options.minutes))
            Console().print(table_of(runs))
    return 0 if all(run.result == "passed" for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
