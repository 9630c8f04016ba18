"""The state of each alert, from the engine's messages and from their absence, so that no sensor stays on.

An alert is closed by the engine's `cleared`; by two successive statistics that no longer list it (`stats`); some
seconds after a new run of the engine began, if it is of an earlier run (`new_run`); or when the engine has been silent
for long (`engine_lost`). One that notify closed itself is opened again, without a second announcement, if the engine
still reports it. The caller passes the time, of a clock that is not set, and writes the changes to the ledger.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from stream.notify.ledger import AlertRow
from stream.results import Alert, Stats

NEW_RUN_US = 10_000_000
"""Time for a new run's first messages, which clear the alerts of the run before it."""
LISTS_WITHOUT = 2
"""Statistics that must lack an alert to close it: the first may have been made before the alert began."""
MOST_OPEN = 1_000
"""Open alerts that statistics list; if there are more, they list none."""
RECENT = 20
"""Closed alerts that are remembered for each camera."""
OURS = ("stats", "new_run", "engine_lost")
"""Reasons for closing that are not the engine's own."""

What = Literal["began", "updated", "acknowledged", "cleared", "closed", "reopened", "noted"]


@dataclass(frozen=True, slots=True)
class Change:
    """An alert as it is now, and what happened.

    `closed`: it was cleared before it was known. `reopened` and `noted` are not announced.
    """

    row: AlertRow
    what: What


class AlertStates:
    """The open alerts, and the latest closed ones.

    `find` returns an alert of the ledger. `armed` tells whether a rule of a camera is. Alerts that began
    before `since_us`, and are still open or ended before it, are shown but not announced.
    """

    def __init__(
        self,
        rows: Iterable[AlertRow],
        find: Callable[[str], AlertRow | None],
        armed: Callable[[str, str], bool],
        *,
        run: str,
        since_us: int,
        least_on_us: int,
    ) -> None:
        self.open: dict[str, AlertRow] = {}
        self.recent: dict[str, deque[AlertRow]] = {}
        self.run = run
        """The engine's latest run."""
        self._find = find
        self._armed = armed
        self.since_us = since_us
        """Alerts that began before it are not announced."""
        self._least_on_us = least_on_us
        self._close_others_us: int | None = None
        self._earlier_us = -NEW_RUN_US
        """When a message of a run that is over arrived last."""
        self._unlisted: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._asked: deque[str] = deque(maxlen=MOST_OPEN)
        for row in rows:
            self._keep(row)

    def started(self, now_us: int) -> None:
        """Give the engine time to report the alerts that are open: others are closed if it has a new run."""
        self._close_others_us = now_us + NEW_RUN_US

    def new_run(self, run: str, now_us: int) -> None:
        """A message of another run arrived: the engine was restarted. If it was shortly before, that time counts."""
        self.run = run
        if self._close_others_us is None:
            self._close_others_us = now_us + NEW_RUN_US

    def take(self, alert: Alert, now_us: int, *, earlier: bool = False) -> list[Change]:
        """Take a message, and return what it changes.

        `earlier`: its run of the engine is over. An alert that becomes known so is not shown by sensors, and is closed
        some seconds after the last such message, if none says how it ended.
        """
        if earlier:
            self._earlier_us = now_us
        row = self.open.get(alert.alert) or self._find(alert.alert)
        if alert.state == "cleared":
            return self._cleared(alert, row, now_us)
        if row is None:
            row = self._begin(alert, now_us)
            if earlier:
                row = replace(row, shown=False, on_until_us=0)
            return [self._changed(row, "began" if row.announced else "noted")]
        if not row.open:
            if row.closed_by not in OURS or earlier:
                return []  # a repetition
            return [self._reopen(replace(row, run=alert.run, message=alert), now_us)]
        if alert.state == "began":
            return []
        before, row = row.message, replace(row, run=alert.run, message=alert, last_us=now_us)
        acknowledged = alert.acknowledged_us is not None and before.acknowledged_us is None
        return [self._changed(row, "acknowledged" if acknowledged else "updated")]

    def reconcile(self, stats: Stats, now_us: int) -> tuple[list[Change], bool]:
        """Compare with the engine's list of open alerts.

        Return the changes, and whether it lists alerts that are unknown here, so that their messages must be requested.
        Only for statistics that just arrived.
        """
        if stats.open_alerts is None or stats.run != self.run:
            return [], False
        listed = set(stats.open_alerts)
        changes: list[Change] = []
        missing: Counter[str] = Counter()
        for name, row in list(self.open.items()):
            if name in listed or row.run != self.run:
                continue
            missing[name] = self._unlisted[name] + 1
            if missing[name] >= LISTS_WITHOUT:
                changes.append(self._close(row, "stats", now_us))
        self._unlisted = missing
        unknown: Counter[str] = Counter()
        for name in listed - self.open.keys():
            row = self._find(name)
            if row is not None and row.closed_by in OURS:
                changes.append(self._reopen(row, now_us))
            elif row is None and name not in self._asked:
                unknown[name] = self._unknown[name] + 1
        ask = any(count >= LISTS_WITHOUT for count in unknown.values())
        if ask:
            self._asked.extend(unknown)
        self._unknown = unknown
        return changes, ask

    def due(self, now_us: int) -> list[Change]:
        """Close the alerts of earlier runs if it is time."""
        if self._close_others_us is None or now_us < self._close_others_us:
            return []
        others = [row for row in self.open.values() if row.run != self.run]
        until_us = self._earlier_us + NEW_RUN_US
        arriving = [row for row in others if not row.shown] if now_us < until_us else []
        self._close_others_us = until_us if arriving else None
        return [self._close(row, "new_run", now_us) for row in others if row not in arriving]

    def lost_engine(self, now_us: int) -> list[Change]:
        """Close all alerts: the engine has been silent for long."""
        return [self._close(row, "engine_lost", now_us) for row in list(self.open.values())]

    def hide(self, row: AlertRow) -> AlertRow:
        """Show and announce an alert no longer: its rule was disarmed. Return it as it is now."""
        row = replace(row, shown=False, announced=False)
        self._keep(row)
        return row

    def forget_camera(self, camera: str) -> None:
        """Drop the closed alerts of a camera that was removed."""
        self.recent.pop(camera, None)

    def on(self, now_us: int) -> dict[tuple[str, str], list[AlertRow]]:
        """Return the alerts for which each (camera, rule) is on now, the latest last."""
        found: dict[tuple[str, str], list[AlertRow]] = {}
        latest_us = now_us + self._least_on_us  # later ones are of a process whose clock was wrong
        closed = (row for rows in self.recent.values() for row in rows if now_us < row.on_until_us <= latest_us)
        for row in (*closed, *self.open.values()):
            if row.shown:
                found.setdefault((row.camera, row.rule), []).append(row)
        return found

    def _cleared(self, alert: Alert, row: AlertRow | None, now_us: int) -> list[Change]:
        if row is None:
            row = replace(self._begin(alert, now_us), open=False, closed_by=alert.clear_reason or "over", on_until_us=0)
            return [self._changed(row, "closed" if row.announced else "noted")]
        reason = alert.clear_reason or "over"
        if not row.open:
            if row.closed_by not in OURS:
                return []
            return [self._changed(replace(row, closed_by=reason, run=alert.run, message=alert), "noted")]
        row = replace(row, open=False, closed_by=reason, run=alert.run, message=alert, last_us=now_us)
        return [self._changed(row, "cleared")]

    def _begin(self, alert: Alert, now_us: int) -> AlertRow:
        armed = self._armed(alert.camera, alert.rule)
        return AlertRow(
            id=alert.alert,
            camera=alert.camera,
            rule=alert.rule,
            run=alert.run,
            open=True,
            opened_us=now_us,
            last_us=now_us,
            on_until_us=now_us + self._least_on_us,
            closed_by="",
            shown=armed,
            announced=armed
            and max(alert.began_us, alert.capture_us if alert.state == "cleared" else 0) >= self.since_us,
            message=alert,
        )

    def _reopen(self, row: AlertRow, now_us: int) -> Change:
        return self._changed(replace(row, open=True, closed_by="", last_us=now_us), "reopened")

    def _close(self, row: AlertRow, reason: str, now_us: int) -> Change:
        return self._changed(replace(row, open=False, closed_by=reason, last_us=now_us), "cleared")

    def _changed(self, row: AlertRow, what: What) -> Change:
        self._keep(row)
        return Change(row, what)

    def _keep(self, row: AlertRow) -> None:
        """Remember an alert. One of an earlier run is closed after a while, also if its messages arrive late."""
        recent = self.recent.setdefault(row.camera, deque(maxlen=RECENT))
        for old in [old for old in recent if old.id == row.id]:
            recent.remove(old)
        if row.open:
            self.open[row.id] = row
            if row.run != self.run and self._close_others_us is None:
                self._close_others_us = row.last_us + NEW_RUN_US
        else:
            self.open.pop(row.id, None)
            recent.append(row)
