"""Profiling a running engine by SIGUSR2."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support.repository import REPOSITORY


def test_sigusr2_starts_profiling_and_stopping_does_not_wait_for_its_end(tmp_path: Path) -> None:
    ports = ["--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "off"]
    few = "pattern:64x64@5"  # recordings have few operations then
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run_stream.py"), "run", few, "--profile", "free", *ports],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PARTSTREAM_PROFILING_DIRECTORY": str(tmp_path)},
    )
    try:
        line_with(process, r"live \(epoch")
        process.send_signal(signal.SIGUSR2)
        written = line_with(process, r"profiled .* batches: (\S+)")[1]
        assert Path(written).parent == tmp_path
        assert json.loads(gzip.decompress(Path(written).read_bytes()))["traceEvents"]
        process.send_signal(signal.SIGUSR2)
        line_with(process, "profiling for 5 s")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
        assert process.returncode == 143
        assert "without waiting longer" not in log
        assert [file.name for file in tmp_path.iterdir()] == [Path(written).name]
    finally:
        process.kill()
        process.wait()


def line_with(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stderr is not None
    read: list[str] = []
    for line in process.stderr:
        read.append(line)
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"{pattern!r} was never logged:\n{''.join(read)}")
