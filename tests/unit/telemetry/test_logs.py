"""Tests of logging."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import av.logging
import pytest

from support.waiting import PATIENCE_S
from telemetry import logs
from telemetry.logs import LogOutput, configure

Configure = Callable[..., tuple[LogOutput, io.StringIO]]


@pytest.fixture
def configured() -> Iterator[Configure]:
    """Return a function that installs a log into a string, and restore the root logger afterwards."""
    root = logging.getLogger()
    level, av_level = root.level, av.logging.get_level()
    made: list[LogOutput] = []

    def install(**settings: Any) -> tuple[LogOutput, io.StringIO]:
        stream = io.StringIO()
        made.append(configure(stream=stream, **settings))
        return made[-1], stream

    yield install
    for output in made:
        output.close(PATIENCE_S)
    root.setLevel(level)
    logging.captureWarnings(False)
    av.logging.set_level(av_level)


def test_a_readable_line_has_time_level_logger_and_message(configured: Configure) -> None:
    output, stream = configured()
    logging.getLogger("stream.cameras.camera").warning("no picture for %d s", 3, extra={"camera": "lobby"})
    output.close(PATIENCE_S)
    time_of_day, rest = stream.getvalue().split(" ", 1)
    assert rest == "WARNING stream.cameras.camera: no picture for 3 s\n"
    assert len(time_of_day) == len("12:34:56.789")


def test_a_json_line_has_the_same_parts_as_keys(configured: Configure) -> None:
    output, stream = configured(json=True)
    fields = {"camera": "lobby", "frames": 3, "share": 0.5, "level": "x", "odd": float("nan")}
    logging.getLogger("stream.cameras.camera").error("line one\nline two", extra=fields)
    output.close(PATIENCE_S)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "error",
        "logger": "stream.cameras.camera",
        "message": "line one\nline two",
        "camera": "lobby",
        "frames": 3,
        "share": 0.5,
        "extra_level": "x",
        "odd": "nan",
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_credentials_are_removed_from_messages_fields_and_tracebacks(configured: Configure, as_json: bool) -> None:
    output, stream = configured(json=as_json)
    log = logging.getLogger("stream.cameras.camera")
    log.warning("can't open %s", "rtsp://admin:hunter2@cam/live")
    log.warning("opening", extra={"url": "rtsp://admin:hunter2@cam/live", "read_token": "hunter2"})
    log.warning("opening", extra={"headers": {"Authorization": "Bearer hunter2", "password": "hunter2"}})
    try:
        raise ConnectionRefusedError("refused: rtsp://admin:hunter2@cam/live")
    except ConnectionRefusedError:
        log.exception("failed")
    wrong = "rtsp://admin:hunter2@cam/live"
    output.handle(logging.LogRecord("stream.cameras.camera", logging.WARNING, "", 0, "wrong %d format", (wrong,), None))
    output.close(PATIENCE_S)
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "ConnectionRefusedError" in text
    assert text.count("cam/live") >= 4
    if as_json:
        assert [json.loads(line)["logger"] for line in text.splitlines()] == ["stream.cameras.camera"] * 5


def test_external_text_cannot_control_the_terminal_or_forge_a_line(configured: Configure) -> None:
    output, stream = configured()
    logging.getLogger("stream").warning("server says \x1b[2J\r\n12:00:00.000 ERROR forged")
    output.close(PATIENCE_S)
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue() and "\r" not in stream.getvalue()
    assert lines[1].startswith("    12:00:00.000 ERROR forged")


def test_the_level_is_applied_and_an_unknown_one_rejected(configured: Configure) -> None:
    output, stream = configured(level="warning")
    logging.getLogger("stream").info("not shown")
    logging.getLogger("stream").warning("shown")
    output.close(PATIENCE_S)
    assert "not shown" not in stream.getvalue() and "shown" in stream.getvalue()
    with pytest.raises(ValueError, match="log level 'loud': must be one of debug, info, warning, error"):
        configure(level="loud")


def test_warnings_and_uncaught_exceptions_of_threads_are_logged(configured: Configure) -> None:
    output, stream = configured(json=True)
    warnings.warn("an odd setting", stacklevel=1)

    def fail() -> None:
        raise RuntimeError("rtsp://admin:hunter2@cam/")

    thread = threading.Thread(target=fail, name="camera lobby")
    thread.start()
    thread.join()
    output.close(PATIENCE_S)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert "an odd setting" in first["message"]
    assert second["message"] == "uncaught exception in thread camera lobby"
    assert "RuntimeError" in second["exception"] and "hunter2" not in second["exception"]


def test_repeated_messages_are_suppressed_and_counted(configured: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    output, stream = configured(json=True)
    now = time.monotonic()
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    for number in range(1000):
        logging.getLogger("libav.h264").error("error while decoding MB %d" % number)  # noqa: UP031
    now += 11
    logging.getLogger("libav.h264").error("error while decoding MB 1000")
    monkeypatch.undo()
    output.close(PATIENCE_S)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 21
    assert lines[-1]["suppressed"] == 980


def test_a_blocked_stream_does_not_block_logging_and_lost_lines_are_reported(configured: Configure) -> None:
    class Stuck(io.StringIO):
        free = threading.Event()

        def write(self, text: str, /) -> int:
            self.free.wait()
            return super().write(text)

    stream = Stuck()
    output = configure(json=True, stream=stream)
    loggers = [logging.getLogger(f"camera{index}") for index in range(200)]
    for _ in range(10):
        for log in loggers:
            log.warning("busy")
    stream.free.set()
    output.close(PATIENCE_S)
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    lost = [int(message.split()[0]) for message in messages if "log lines were lost" in message]
    # A second report if the queue was full before its thread had written the first line.
    assert 1 <= len(lost) <= 2
    assert messages.count("busy") + sum(lost) == 2000


def test_messages_of_ffmpeg_are_logged_at_debug_only(configured: Configure) -> None:
    configured()
    assert av.logging.get_level() is None
    output, stream = configured(level="debug")
    av.logging.log(av.logging.WARNING, "h264", "odd bitstream")
    av.logging.log(av.logging.INFO, "h264", "chatter")
    output.close(PATIENCE_S)
    assert "libav.h264: odd bitstream" in stream.getvalue()
    assert "chatter" not in stream.getvalue()


def test_the_last_messages_are_written_when_the_process_ends_at_once() -> None:
    program = (
        "import logging; from telemetry.logs import configure; configure(json=True);"
        "logging.getLogger('stream').warning('last words'); raise RuntimeError('rtsp://admin:hunter2@cam/')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["last words", "uncaught exception"]
    assert "hunter2" not in ended.stderr
