"""Logging to standard error, as readable lines or as JSON lines.

`configure` installs one handler on the root logger, which stays until its `close`; that also runs at process exit.
Logging never blocks: lines go through a bounded queue to a writing thread, and lines that do not fit are counted and
reported later. Secrets are removed (`telemetry.redaction`), long lines are shortened, repeated ones are limited.

A version on `logging.handlers.QueueListener` and python-json-logger was 11 lines shorter and took 1.6 to 1.8 times the
CPU time per record: redaction, limits, counting of lost lines and closing with a timeout have to be written either way.
"""

from __future__ import annotations

import atexit
import copy
import json
import logging
import os
import queue
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from math import isfinite
from types import TracebackType
from typing import Any, TextIO

from telemetry.redaction import HIDDEN, redact
from telemetry.repeat_limiter import RepeatLimiter

LEVELS = ("debug", "info", "warning", "error")

VERBOSE_LIBRARIES = ("asyncio", "aiohttp", "urllib3", "filelock", "matplotlib", "PIL", "aioice", "aiortc")
"""Libraries whose messages below `warning` are not logged."""

QUEUED_LINES = 1000
MESSAGE_LENGTH = 4000
TRACEBACK_LENGTH = 16_000
FIELD_LENGTH = 500

_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
"""Attributes of every record. All others were passed with `extra=` and are logged as fields."""

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
"""Control characters are escaped, because text from a camera could otherwise control the terminal."""

_COLOURS = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}


class Lines(logging.Formatter):
    """Readable lines in local time: `12:34:56.789 WARNING stream.sources.reader: camera lobby: no frame for 3 s`."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text without a final newline; a traceback follows on further lines."""
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        level = f"{record.levelname:<7}"
        if self._colour and record.levelno in _COLOURS:
            level = f"\x1b[{_COLOURS[record.levelno]}m{level}\x1b[0m"
        message = _message(record).translate(_CONTROL).replace("\n", "\n    ")
        suppressed = getattr(record, "suppressed", 0)
        more = f"  ({suppressed} similar lines before it were not logged)" if suppressed else ""
        text = f"{at} {level} {record.name}: {message}{more}"
        trace = _traceback(record)
        return f"{text}\n{trace.translate(_CONTROL)}" if trace else text


class JsonLines(logging.Formatter):
    """JSON objects: time (UTC, µs), level, logger, message, fields passed with `extra=`, exception (a traceback)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON without a final newline."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line: dict[str, Any] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        for name, value in _fields(record).items():
            line[f"extra_{name}" if name in line or name == "exception" else name] = value
        trace = _traceback(record)
        if trace:
            line["exception"] = trace
        return json.dumps(line, ensure_ascii=False, allow_nan=False)


class LogOutput(logging.Handler):
    """The handler that `configure` installs, with its writing thread.

    Writes to `stream`, by default to the current `sys.stderr`, so that a live display that replaces `sys.stderr` can
    place the lines above its table.
    """

    def __init__(self, formatter: logging.Formatter, stream: TextIO | None = None) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._limiter = RepeatLimiter()
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUED_LINES)
        self._lost = 0
        self._closed = False
        self._hooks = (sys.excepthook, threading.excepthook)
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record's line into the queue without waiting."""
        try:
            admitted, suppressed = self._limiter.admit(_kind(record), time.monotonic())
            if not admitted:
                return
            if suppressed:
                record = copy.copy(record)
                record.suppressed = suppressed
            self._queue.put_nowait(self.format(record))
        except Exception:  # also a full queue; logging's own handleError would print arguments without redaction
            self._lost += 1

    def close(self, timeout_s: float = 1.0) -> None:
        """Write queued lines for at most `timeout_s` and remove the handler from the root logger. Idempotent."""
        if self._closed:
            return
        self._closed = True
        logging.getLogger().removeHandler(self)
        atexit.unregister(self.close)
        sys.excepthook, threading.excepthook = self._hooks
        deadline = time.monotonic() + timeout_s
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            pass
        else:
            self._writer.join(max(0.0, deadline - time.monotonic()))
        super().close()

    def catch_uncaught(self) -> None:
        """Log uncaught exceptions, with secrets removed, instead of printing them."""
        sys.excepthook = self._on_uncaught
        threading.excepthook = self._on_uncaught_in_thread

    def _on_uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logging.getLogger("partstream").critical("uncaught exception", exc_info=(kind, error, trace))

    def _on_uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is None or issubclass(arguments.exc_type, SystemExit):
            return
        name = arguments.thread.name if arguments.thread is not None else "?"
        information = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        logging.getLogger("partstream").critical("uncaught exception in thread %s", name, exc_info=information)

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            lost, self._lost = self._lost, 0
            if lost:
                self._write_line(self.format(_lost_record(lost)))
            self._write_line(line)

    def _write_line(self, line: str) -> None:
        stream = self._stream or sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            self._lost += 1  # the stream is closed or broken; logging must not raise


_installed: LogOutput | None = None


def configure(
    json: bool = False, level: str = "info", stream: TextIO | None = None, *, ffmpeg: bool = True
) -> LogOutput:
    """Send all logging from `level` on to standard error or `stream`, as JSON lines or as readable lines.

    Also logs warnings of the `warnings` module and uncaught exceptions. A second call replaces the handler. Messages of
    FFmpeg are logged at level `debug` only: PyAV passes them to Python from FFmpeg's threads, which can deadlock or
    crash (PyAV issues 751 and 2276, pull request 2394), and relevant errors are raised as exceptions anyway. `ffmpeg`:
    whether the process uses it; if not, PyAV is not imported. Raises ValueError if `level` is not one of `LEVELS`.
    """
    global _installed
    if level.lower() not in LEVELS:
        raise ValueError(f"log level {level!r}: must be one of {', '.join(LEVELS)}")
    if _installed is not None:
        _installed.close()
    colour = stream is None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    output = LogOutput(JsonLines() if json else Lines(colour=colour), stream)
    _installed = output
    root = logging.getLogger()
    root.addHandler(output)
    root.setLevel(level.upper())
    for name in VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    output.catch_uncaught()
    if ffmpeg:
        _route_ffmpeg(level.lower() == "debug")
    atexit.register(output.close)
    return output


def _route_ffmpeg(shown: bool) -> None:
    import av.logging

    logging.getLogger("libav").setLevel(logging.WARNING)
    av.logging.set_level(av.logging.WARNING if shown else None)


# -- parts of a record ------------------------------------------------------------------------------------------
def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as error:  # keep the message even if its format string is wrong
        text = f"{record.msg} {record.args} ({error})"
    return _shorten(redact(text[: 2 * MESSAGE_LENGTH]), MESSAGE_LENGTH)


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    kind, error, trace = record.exc_info
    text = redact("".join(traceback.format_exception(kind, error, trace, limit=-50)).rstrip())
    return text if len(text) <= TRACEBACK_LENGTH else f"…{text[-TRACEBACK_LENGTH:]}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given = vars(record).items()
    return {name: _plain_value(name, value) for name, value in given if name not in _OWN and not name.startswith("_")}


def _plain_value(name: str, value: object) -> Any:
    """Return the value as JSON data, or `***` if the field's name denotes a secret."""
    if redact(f"{name}=x") != f"{name}=x":
        return HIDDEN
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return _shorten(redact(str(value)[: 2 * FIELD_LENGTH]), FIELD_LENGTH)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


def _kind(record: logging.LogRecord) -> tuple[str, int, str, str]:
    """Return the key for the repeat limit. FFmpeg's messages differ in addresses and numbers, so they share one key."""
    if record.name.startswith("libav"):
        return ("libav", record.levelno, "", "")
    return (record.name, record.levelno, str(record.msg)[:200], str(getattr(record, "camera", "")))


def _lost_record(lost: int) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, "", 0, "%d log lines were lost", (lost,), None)
