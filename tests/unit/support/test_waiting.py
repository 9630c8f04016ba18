from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.repository import REPOSITORY
from support.waiting import until, wait_until

WAITS_IN_VAIN = """
import asyncio
from support.waiting import until, wait_until


def test_blocks():
    seen = [1, 2]
    wait_until(lambda: len(seen) > 2)


async def test_waits():
    counts = {"frames": 7}
    await until(lambda: counts["frames"] if counts["frames"] > 7 else 0)


async def test_reads():
    async def read_for_ever():
        await asyncio.Event().wait()

    await read_for_ever()
"""


def test_the_value_that_ends_a_wait_is_returned() -> None:
    values = iter([0, None, "", "three"])
    assert wait_until(lambda: next(values)) == "three"


async def test_a_coroutine_can_be_the_condition() -> None:
    values = iter([0, 5])

    async def ask() -> int:
        return next(values)

    assert await until(ask) == 5


async def test_an_error_in_a_condition_ends_the_wait() -> None:
    def broken() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await until(broken)


def test_a_timeout_reports_what_was_awaited_and_its_last_value(tmp_path: Path) -> None:
    (tmp_path / "test_waits.py").write_text(WAITS_IN_VAIN)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:xdist", "--timeout", "1"]
    configuration = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(tmp_path), str(tmp_path)]
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    done = subprocess.run(
        [*command, *configuration], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, check=False
    )
    assert "3 failed" in done.stdout, done.stdout + done.stderr
    blocks, waits, reads = done.stdout.split("____ test_")[1:]
    assert "wait_until(lambda: len(seen) > 2)" in blocks
    assert "seen = [1, 2]" in blocks and "last value: False" in blocks
    assert "counts = {'frames': 7}" in waits and "last value: 0" in waits
    assert "await asyncio.Event().wait()" in reads
