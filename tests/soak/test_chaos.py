"""Hours of random faults: `CHAOS_SECONDS` (7200), `CHAOS_SEED` (1) and `CHAOS_CAMERAS` (8) change the run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.repository import REPOSITORY

SECONDS = float(os.environ.get("CHAOS_SECONDS", "7200"))
SEED, CAMERAS = os.environ.get("CHAOS_SEED", "1"), os.environ.get("CHAOS_CAMERAS", "8")
LOG = REPOSITORY / "build" / "chaos" / "log.jsonl"
"""Kept, with every fault and violation."""
AFTERWARDS_S = 1800.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS + AFTERWARDS_S)]


def test_no_fault_makes_the_engine_break_a_promise() -> None:
    options = ["--seconds", str(SECONDS), "--seed", SEED, "--cameras", CAMERAS, "--log", str(LOG)]
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    ended = subprocess.run(
        [sys.executable, "-m", "support.chaos", *options],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert ended.returncode == 0
