"""The alert book: publishes alerts, and remembers the open ones and the latest that were cleared.

The inference thread publishes, the event loop reads and acknowledges. A lock keeps an alert's messages in order.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Container

from msgspec.structs import force_setattr, replace

from stream.alerts.open_alerts_file import OpenAlertsFile
from stream.results import Alert
from stream.rules.alerts import ClearReason

MOST_CLOSED = 500
"""Alerts that are cleared and still listed."""
MOST_IDS = 1_000
"""Open alerts of which the statistics list the ids."""


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
        self,
        camera: str | None,
        *,
        only_open: bool,
        limit: int,
        sees: Callable[[str], bool] = lambda camera: True,
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
