"""The file of open alerts, so that the next run can clear them if this one ends without doing so.

A journal of the messages with which alerts began and were cleared: an alert without the latter is open. A message that
begins an alert is appended before it is published, one that clears it afterwards. After a process was killed, an alert
may therefore be cleared twice, but none stays open. When the file grows large, it is rewritten with the open alerts
only.
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

LARGEST = 1 << 20
"""Bytes at which the file is rewritten, or twice the size of all open alerts."""
MOST_READ = 64 << 20
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
        self._bytes = 0
        self._limit = LARGEST
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
            lines = os.pread(self._descriptor, MOST_READ + 1, 0).split(b"\n")
        except BlockingIOError:
            self.close()
            holder = file_lock.holder_of(path)
            raise ConfigError(f"alerts_file: {path} is in use by another engine ({holder}): set another file") from None
        except OSError as error:
            self.close()
            raise ConfigError(f"alerts_file: {path} can't be used ({error.strerror}): set alerts_file") from None
        if sum(map(len, lines)) + len(lines) > MOST_READ:
            self.close()
            raise ConfigError(f"alerts_file: {path} is larger than {MOST_READ >> 20} MiB: delete it")
        lines = list(filter(None, lines))
        alerts = [_alert(line) for line in lines]
        if not any(alerts) and any(map(_is_foreign, lines)):
            self.close()
            raise ConfigError(f"alerts_file: {path} is not a file of open alerts: delete it, or set another file")
        for alert in filter(None, alerts):
            self._note(alert)
        damaged = alerts.count(None)
        if damaged:
            logger.warning("alerts_file: %s: %d damaged lines are ignored", path, damaged)
        self._bytes = sum(len(line) + 1 for line in lines)
        return list(self._open.values())

    def append(self, alert: Alert) -> None:
        """Append a message that begins or clears an alert; an update only replaces what is known of it.

        If writing fails, the error is logged once, and the alert is published without being recorded.
        """
        self._note(alert)
        if self._descriptor is None or alert.state == "updated":
            return
        line = b"\n" + msgspec.json.encode(alert) + b"\n"  # after a line that was cut, too
        try:
            _write(self._descriptor, line)
            self._bytes += len(line)
            if self._failed or self._bytes > self._limit:  # what could not be written is written now
                self._limit *= 2
                self._rewrite()
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

    def _rewrite(self) -> None:
        """Replace the file by one that holds only the open alerts, and lock that one."""
        lines = b"".join(msgspec.json.encode(alert) + b"\n" for alert in self._open.values())
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.unlink(missing_ok=True)
        new = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(new, lines)
            os.fsync(new)
            temporary.replace(self._path)
        except OSError:
            os.close(new)
            raise
        self.close()
        self._descriptor, self._bytes = new, len(lines)
        self._limit = max(LARGEST, 2 * len(lines))


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
