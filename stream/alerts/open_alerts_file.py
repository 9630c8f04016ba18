"""The file of open alerts, so that the next run can clear them if this one ends without doing so.

A journal of the messages with which alerts began and were cleared: an alert without the latter is open. A message that
begins an alert is appended before it is published, one that clears it afterwards. After a process was killed, an alert
may therefore be cleared twice, but none stays open. From time to time, the file is rewritten with the open alerts only.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

import msgspec

from stream import file_lock, output_file
from stream.results import ALERT_SCHEMA, Alert, decode
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

MOST_LINES = 1000
"""Lines after which the file is rewritten, or as many as there are open alerts."""
_BEGINS = b'{"schema":"' + ALERT_SCHEMA.encode() + b'"'


def open_alerts_file(rules: Path | None, configured: Path | None) -> OpenAlertsFile | None:
    """Return the configured file, or the default one beside the rules; None without either."""
    if rules is None:
        return None if configured is None else OpenAlertsFile(configured)
    return OpenAlertsFile(default_file(rules) if configured is None else configured)


def default_file(rules: Path) -> Path:
    """Return the file of open alerts for a rules file, unless another one is configured."""
    return rules.with_suffix(".open-alerts.jsonl")


class OpenAlertsFile:
    """The file of one engine. A lock keeps a second engine from using it. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._open: dict[str, Alert] = {}
        self._lines = 0
        self._failed = False

    def start(self) -> list[Alert]:
        """Open the file, and return the last message of each alert that an earlier run left open.

        Raises `ConfigError` naming `alerts_file` if it cannot be used. Blocks.
        """
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = output_file.opened(path, os.O_RDWR | os.O_APPEND, output_file.PRIVATE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lines = list(filter(None, path.read_bytes().split(b"\n")))
        except BlockingIOError:
            self.close()
            holder = file_lock.holder_of(path)
            raise ConfigError(f"alerts_file: {path} is in use by another engine ({holder}): set another file") from None
        except OSError as error:
            self.close()
            raise ConfigError(f"alerts_file: {path} can't be used ({error.strerror}): set alerts_file") from None
        alerts = [_alert(line) for line in lines]
        if not any(alerts) and any(map(_is_foreign, lines)):
            self.close()
            raise ConfigError(f"alerts_file: {path} is not a file of open alerts: delete it, or set another file")
        for alert in filter(None, alerts):
            self._note(alert)
        damaged = alerts.count(None)
        if damaged:
            logger.warning("alerts_file: %s: %d damaged lines are ignored", path, damaged)
        self._lines = len(lines)
        return list(self._open.values())

    def append(self, alert: Alert) -> None:
        """Append a message that begins or clears an alert; an update only replaces what is known of it.

        If writing fails, the error is logged once, and the alert is published without being recorded.
        """
        self._note(alert)
        if self._descriptor is None or alert.state == "updated":
            return
        try:
            if self._failed or self._lines >= max(MOST_LINES, len(self._open)):
                self._rewrite(self._descriptor)  # with what could not be written before
            else:
                _write(self._descriptor, b"\n" + msgspec.json.encode(alert) + b"\n")  # after a line that was cut, too
                self._lines += 1
            self._failed = False
        except OSError as error:
            if not self._failed:
                logger.error(
                    "alerts_file: %s can't be written (%s): open alerts will not be cleared after a crash",
                    self._path,
                    error.strerror,
                )
            self._failed = True

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # which ends the lock
            self._descriptor = None

    def _note(self, alert: Alert) -> None:
        if alert.state == "cleared":
            self._open.pop(alert.alert, None)
        else:
            self._open[alert.alert] = alert

    def _rewrite(self, descriptor: int) -> None:
        """Keep only the open alerts. A kill within these microseconds loses them."""
        os.ftruncate(descriptor, 0)
        _write(descriptor, b"".join(msgspec.json.encode(alert) + b"\n" for alert in self._open.values()))
        self._lines = 0


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it: a disk that is almost full takes a part."""
    while data:
        data = data[os.write(descriptor, data) :]


def _alert(line: bytes) -> Alert | None:
    """Return the message in a line; None if the line is damaged or holds something else."""
    try:
        message = decode(line)
    except msgspec.DecodeError:
        return None
    return message if isinstance(message, Alert) else None


def _is_foreign(line: bytes) -> bool:
    """Return whether a line is not the beginning of an alert, as a crash or a power failure may leave it."""
    line = line.strip(b"\0")
    return not _BEGINS.startswith(line[: len(_BEGINS)])
