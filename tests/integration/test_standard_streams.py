"""Commands whose standard streams are closed or cannot be written, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.repository import REPOSITORY

PROGRAM = f'exec "{sys.executable}" "{REPOSITORY / "run_stream.py"}"'


def shell(arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the arguments and redirections of a shell."""
    return subprocess.run(["sh", "-c", f"{PROGRAM} {arguments}"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", ["--version >/dev/full", "config schema >/dev/full", "--version >&-"])
def test_stdout_that_cannot_be_written_is_a_sentence_and_exit_code_1(arguments: str) -> None:
    done = shell(arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("partstream: standard output cannot be written: ") and done.stderr.count("\n") == 1


def test_a_pipe_whose_reader_has_ended_is_no_error_to_report() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        command = [sys.executable, str(REPOSITORY / "run_stream.py"), "config", "schema"]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_token_that_could_not_be_shown_is_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    done = shell(f"tokens new anna --file '{file}' --right look --all-cameras >/dev/full")
    assert done.returncode == 1 and "standard output cannot be written: No space left on device" in done.stderr
    assert not file.exists()


def test_an_engine_whose_standard_streams_are_closed_ends_as_usual(tmp_path: Path) -> None:
    ports = "--http off --pub tcp://127.0.0.1:0 --replay tcp://127.0.0.1:0"
    done = shell(f"run '{tmp_path / 'none.mp4'}' --profile free --once {ports} <&- >&- 2>&-")
    assert done.returncode == 4, "no source opened"
