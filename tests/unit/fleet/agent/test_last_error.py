"""The last error in a log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.agent.last_error import MOST_LETTERS, last_error, size_of

INFO, ERROR = json.dumps({"level": "info", "message": "begun"}), json.dumps({"level": "error", "message": "no GPU"})
TRACE = "Traceback (most recent call last):\n  File x\nValueError: too large\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ""),
        (f"{INFO}\n{INFO}\n", ""),
        (f"{INFO}\npartstream: publish.endpoint: it is in use\n", "publish.endpoint: it is in use"),
        (f"{INFO}\npartstream: two errors:\n  http: a\n  model: b\n", "two errors: http: a model: b"),
        (f"{INFO}\n{ERROR}\n{INFO}\n", "no GPU"),
        (f"{ERROR}\n{TRACE}", "ValueError: too large"),
        (f"{TRACE}{INFO}\n", "ValueError: too large"),
        ("10:11:12.345 ERROR   stream.a: no GPU  camera=b\n10:11:13.345 INFO    stream.a: ends\n", "no GPU  camera=b"),
        ("10:11:13.345 INFO    stream.a: begun\npartstream: http: a\n", "http: a"),
        ("12\n", "12"),
        ("partstream: rtsp://me:hidden@h/x is wrong", "rtsp://***@h/x is wrong"),
        ("x" * 100_000, "x" * MOST_LETTERS),
    ],
)
def test_the_last_error_is_the_message_of_the_command_or_of_the_log(text: str, error: str, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(text)
    assert last_error(log, 0) == error


def test_the_errors_of_earlier_runs_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert (size_of(log), last_error(log, 0)) == (0, "")
    log.write_text(f"{ERROR}\n")
    begin = size_of(log)
    assert last_error(log, begin) == ""
    log.write_text("partstream: x\n")  # rotated: it is shorter now
    assert last_error(log, begin) == "x"
