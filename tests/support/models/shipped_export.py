"""The packaged model as `partstream export` writes it, once in a run of tests: tracing it takes fifteen seconds."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from support.repository import REPOSITORY


class ShippedExport(NamedTuple):
    """The folder with the files, and what the command printed."""

    folder: Path
    printed: str


@functools.cache
def shipped_export() -> ShippedExport:
    """Run the command in a process of its own, or read what a process that tests side by side has made."""
    made = Path(os.environ.get("TESTS_MADE_ONCE") or tempfile.mkdtemp())
    folder, printed = made / "shipped-export", made / "shipped-export.txt"
    with FileLock(made / "shipped-export.lock"):
        if not printed.exists():
            done = subprocess.run(
                [sys.executable, str(REPOSITORY / "run_stream.py"), "export", "--out", str(folder)],
                capture_output=True,
                text=True,
                env={**os.environ, "COLUMNS": "160"},
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert not done.stderr
            printed.write_text(done.stdout)
    return ShippedExport(folder, printed.read_text())
