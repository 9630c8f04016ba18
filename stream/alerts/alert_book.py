"""The alert book: publishes alerts, and remembers the open ones and the latest that were cleared.

The inference thread publishes, the event loop reads and acknowledges. A lock keeps an alert's messages in order.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Container
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec.structs import force_setattr, replace

from stream import file_lock, output_file
from stream.results import ALERT_SCHEMA, Alert, decode
from stream.rules.alerts import ClearReason
from stream.settings.config_error import ConfigError

MOST_CLOSED = 500
"""Alerts that are cleared and still listed."""
MOST_IDS = 1_000
"""Open alerts of which the statistics list the ids."""
MOST_LINES = 1000
"""Lines after which the file is rewritten, or as many as there are open alerts."""
MOST_READ = 64 << 20
"""Bytes that are read at the start. Only a file that is not one of open alerts is larger."""
NOT_REPLACEABLE = (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS)
_BEGINS = b'{"schema":"' + ALERT_SCHEMA.encode() + b'"'

logger = logging.getLogger(__name__)


class AlertBook:
    """The alerts of one engine. `publish` is the publisher's method."""

    def __init__(self, publish: Callable[[Alert], Alert], file: OpenAlertsFile | None) -> None:
        self.began: Counter[tuple[str, str, str]] = Counter()
        """Alerts that began since the engine's start, by camera, rule and severity."""
        self._publish = publish
        self._file = file
        self._left: list[Alert] = []
        """Alerts of earlier runs that this one has cleared."""
        self._open: dict[str, Alert] = {}
        self._closed: OrderedDict[str, Alert] = OrderedDict()  # the oldest first
        self._lock = threading.RLock()

    def start(self) -> None:
        """Clear the alerts that an earlier run left open, before anything else is published. Blocks.

        Raises `ConfigError` naming `alerts_file` if it cannot be used.
        """
        if self._file is None:
            return
        self._left = self._file.start()
        for left in self._left:
            self._publish(_restarted(left))

    def started(self) -> None:
        """Forget the alerts of earlier runs: this engine runs. If it had failed to start, the next one clears them."""
        if self._file is not None:
            with self._lock:
                for left in self._left:
                    self._file.append(_restarted(left))
        self._left = []

    def take(self, alerts: list[Alert]) -> None:
        """Publish these messages."""
        for alert in alerts:
            with self._lock:
                self._take(alert)

    def clear(self, camera: str, reason: ClearReason) -> None:
        """Clear all alerts of a camera that are still open."""
        with self._lock:
            left = [alert for alert in self._open.values() if alert.camera == camera]
        self.take([replace(alert, state="cleared", clear_reason=reason) for alert in left])

    def keep_rules(self, rules: Container[str]) -> None:
        """Drop the counts of rules that no longer exist."""
        with self._lock:
            for key in [key for key in self.began if key[1] not in rules]:
                del self.began[key]

    def acknowledge(self, alert: str) -> Alert | None:
        """Acknowledge an alert, and return its last message; None if it is unknown.

        An open alert is published again, once.
        """
        with self._lock:
            last = self._open.get(alert) or self._closed.get(alert)
            if last is None:
                return None
            if last.acknowledged_us is None:
                now_us = time.time_ns() // 1000
                if last.state == "cleared":
                    last = self._closed[alert] = replace(last, acknowledged_us=now_us)
                else:
                    last = replace(last, state="updated", acknowledged_us=now_us)
                    self._take(last)
            return last

    def camera_of(self, alert: str) -> str | None:
        """Return the camera of an alert; None if it is unknown or no longer listed."""
        with self._lock:
            last = self._open.get(alert) or self._closed.get(alert)
        return last.camera if last is not None else None

    def entries(
        self, camera: str | None, *, only_open: bool, limit: int, sees: Callable[[str], bool] = lambda camera: True
    ) -> list[Alert]:
        """Return the last messages of up to `limit` alerts, of one camera if given.

        The open ones come first, and of each group the latest. `sees` returns whether alerts of a camera are wanted.
        """
        with self._lock:
            found = list(reversed(self._open.values()))
            if not only_open:
                found += reversed(self._closed.values())
        wanted = [alert for alert in found if camera in (None, alert.camera) and sees(alert.camera)]
        return wanted[:limit]

    def open(self) -> Counter[tuple[str, str]]:
        """Return the number of open alerts by camera and rule."""
        with self._lock:
            return Counter((alert.camera, alert.rule) for alert in self._open.values())

    def open_ids(self) -> list[str] | None:
        """Return the ids of the open alerts, sorted; None if there are more than `MOST_IDS`."""
        with self._lock:
            return sorted(self._open) if len(self._open) <= MOST_IDS else None

    def forget(self, camera: str) -> None:
        """Drop the counts of a removed camera."""
        with self._lock:
            for key in [key for key in self.began if key[0] == camera]:
                del self.began[key]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _take(self, alert: Alert) -> None:
        """Publish a message and remember it. Needs the lock."""
        before = self._open.get(alert.alert)
        if before is not None and alert.acknowledged_us is None:
            force_setattr(alert, "acknowledged_us", before.acknowledged_us)
        cleared = alert.state == "cleared"
        if self._file is not None and not cleared:
            self._file.append(alert)
        self._publish(alert)
        if self._file is not None and cleared:
            self._file.append(alert)
        if alert.state == "began":
            self.began[alert.camera, alert.rule, alert.severity] += 1
        if not cleared:
            self._open[alert.alert] = alert
            return
        self._open.pop(alert.alert, None)
        self._closed[alert.alert] = alert
        while len(self._closed) > MOST_CLOSED:
            self._closed.popitem(last=False)


def _restarted(alert: Alert) -> Alert:
    return replace(alert, state="cleared", epoch=0, clear_reason="restart")


# -- the file of open alerts -----------------------------------------------------------------------------------------
def open_alerts_file(rules: Path | None, configured: Path | None) -> OpenAlertsFile | None:
    """Return the configured file, or the default one beside the rules; None without either."""
    if rules is None:
        return None if configured is None else OpenAlertsFile(configured)
    return OpenAlertsFile(default_file(rules) if configured is None else configured)


def default_file(rules: Path) -> Path:
    """Return the file of open alerts for a rules file, unless another one is configured."""
    return rules.with_suffix(".open-alerts.jsonl")


class OpenAlertsFile:
    """The open alerts of one engine, so that its next run can clear them if it ends without doing so. Not thread-safe.

    A journal of the messages with which alerts began and were cleared: an alert without the latter is open. A message
    that begins an alert is appended before it is published, one that clears it afterwards. After a process was killed,
    an alert may therefore be cleared twice, but none stays open. From time to time, the file is rewritten with the open
    alerts only. A lock keeps a second engine from using it.
    """

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
            lines = list(filter(None, os.pread(self._descriptor, MOST_READ, 0).split(b"\n")))
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
        line = b"\n" + msgspec.json.encode(alert) + b"\n"  # after a line that was cut, too
        try:
            if self._failed or self._lines >= max(MOST_LINES, len(self._open)):
                try:
                    self._rewrite()  # with what could not be written before
                except OSError:
                    _write(self._descriptor, line)
                    raise
            else:
                _write(self._descriptor, line)
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

    def _rewrite(self) -> None:
        """Replace the file with one that holds only the open alerts, and lock that one.

        A file that cannot be replaced, because it is mounted alone or its folder is read-only, is written in its place.
        """
        assert self._descriptor is not None
        content = b"".join(msgspec.json.encode(alert) + b"\n" for alert in self._open.values())
        try:
            with ExitStack() as unless_replaced:
                with output_file.replacing(self._path) as unfinished:
                    new = output_file.opened(unfinished, os.O_RDWR | os.O_APPEND, output_file.PRIVATE)
                    unless_replaced.callback(os.close, new)
                    fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _write(new, content)
                    os.fsync(new)
                unless_replaced.pop_all()
        except OSError as error:
            if error.errno not in NOT_REPLACEABLE:
                raise
            os.ftruncate(self._descriptor, 0)
            _write(self._descriptor, content)
        else:
            self.close()
            self._descriptor = new
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
