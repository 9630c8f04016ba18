"""What the engine has published: the state of its alerts, its cameras, and the people by action.

Alerts follow the engine's messages and their absence, so that no sensor stays on. An alert is closed by the engine's
`cleared`; by statistics that no longer list it (`stats`); some seconds after a new run of the engine
began, if it is of an earlier run (`new_run`); or when the engine has been silent for long (`engine_lost`). One that
notify closed itself is opened again, without a second announcement, if the engine still reports it.

In a fleet, an alert ends some seconds after its camera has moved (`moved`), unless the new engine raises it: that one,
and any that two engines raised at the same time, goes on as the first one, and is not announced.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from stream.notify.clock import Now
from stream.notify.ledger import AlertRow, Ledger
from stream.notify.notify_config import NotifyConfig
from stream.results import Alert, Event, Message, Place, Stats, Status
from stream.subscription.subscription import begins

NEW_RUN_US = 10_000_000
"""Time for a new run's first messages, which clear the alerts of the run before it."""
LISTS_WITHOUT = 2
"""Statistics that must lack a camera to end it: the first may have been made before it began."""
UNLISTED_US = 1_500_000
"""Time for which statistics must lack an alert to close it. After a restart, those that arrive may be ahead of the
alerts: the engine repeats the last message of a topic, which shows what is missing, once a second at most."""
OURS = ("stats", "new_run", "engine_lost")
"""Reasons for closing that are not the engine's own, after which it may open it again."""
MOVED = "moved"
ENDED_LATELY = 8  # alerts of a camera, of which a new one may be the same

What = Literal["began", "updated", "acknowledged", "cleared", "closed", "reopened", "noted"]


@dataclass(frozen=True, slots=True)
class Change:
    """An alert as it is now, and what happened.

    `closed`: it was cleared before it was known. `reopened` and `noted` are not announced.
    """

    row: AlertRow
    what: What


class AlertStates:
    """Changes the alerts in `ledger`, in the caller's transaction.

    Of its own it has only times and what was listed: no harm is done if the transaction fails and the same is taken
    again.
    """

    def __init__(self, config: NotifyConfig, ledger: Ledger, now: Now) -> None:
        self.run = str(ledger.meta("run") or "")
        """The engine's latest run."""
        self._config = config
        self._ledger = ledger
        self._since_us = int(ledger.meta("created_us") or 0) - config.late_after
        """Alerts that began before it, and are open or ended before it, are shown but not announced."""
        self._close_us = {"": now.steady_us + NEW_RUN_US}
        """When alerts of earlier runs or placements are closed: until then, there is time to report them."""
        self._generations: dict[str, int] = {}
        """The placement of each camera of a fleet."""
        self._unlisted_us: dict[str, dict[str, int]] = {}
        """Since when statistics lack each open alert of a run."""

    def new_run(self, run: str, now: Now) -> None:
        """A message of another run arrived: the engine was restarted. If it was shortly before, that time counts."""
        self.run = run
        self._close_us.setdefault("", now.steady_us + NEW_RUN_US)

    def in_fleet(self, message: Message, now: Now) -> None:
        """Note what a message of a fleet says of where its camera is. A placement also ends when no engine follows."""
        if isinstance(message, Stats) or not (isinstance(message, Place) or begins(message)):
            return
        camera, generation = message.camera, message.generation or 0
        known = self._generations.get(camera, 0)
        if isinstance(message, Place):  # after a restart of the controller, a placement can go on
            self._generations[camera] = known = min(known, generation)
            generation = generation + 1 if message.address is None else 0
        if generation > known:
            self._generations[camera] = generation
            self._close_us[camera] = now.steady_us + NEW_RUN_US

    def over(self, alert: Alert) -> bool:
        """Return whether its run of the engine, or in a fleet the placement of its camera, is over."""
        if alert.generation is not None:
            return alert.generation < self._generations.get(alert.camera, 0)
        return alert.run != self.run

    def take(self, alert: Alert, now: Now, *, earlier: bool = False) -> list[Change]:
        """Take a message, and return what it changes.

        `earlier`: its run of the engine is over. An alert that becomes known so is not shown by sensors, and is closed
        some seconds after the last such message, if none says how it ended.
        """
        # At the first start the clock may have been wrong, ahead of that of the cameras.
        self._since_us = min(self._since_us, now.us - self._config.late_after)
        if earlier:
            self._close_us[_group(alert)] = now.steady_us + NEW_RUN_US
        row = self._ledger.alert(alert.alert)
        if alert.state == "cleared":
            return self._cleared(alert, row, now)
        if row is None:
            row = self._begin(alert, now)
            if earlier:
                row = replace(row, shown=False, on_until_us=0)
            return [self._changed(row, "began" if row.announced and not row.of else "noted", now)]
        if not row.open:
            if row.closed_by not in OURS or earlier:
                return []  # a repetition
            return [self._reopen(replace(row, run=alert.run, message=alert), now)]
        if alert.state == "began":
            return []
        acknowledged = alert.acknowledged_us is not None and row.message.acknowledged_us is None
        row = replace(row, run=alert.run, message=alert)
        return [self._changed(row, "acknowledged" if acknowledged else "updated", now)]

    def reconcile(self, stats: Stats, now: Now) -> list[Change]:
        """Compare with the engine's list of open alerts. Only for statistics that just arrived."""
        if stats.open_alerts is None:
            return []
        rows = {row.id: row for row in self._ledger.open_alerts()}
        listed = set(stats.open_alerts)
        lacks = [name for name, row in rows.items() if name not in listed and row.run == stats.run]
        before_us = self._unlisted_us.get(stats.run, {})
        since_us = self._unlisted_us[stats.run] = {name: before_us.get(name, now.steady_us) for name in lacks}
        over = [name for name in lacks if now.steady_us - since_us[name] >= UNLISTED_US]
        changes = [self._close(rows[name], "stats", now) for name in over]
        known = [self._ledger.alert(name) for name in listed - rows.keys()]
        return changes + [self._reopen(row, now) for row in known if row is not None and row.closed_by in OURS]

    def due(self, now: Now) -> list[Change]:
        """Close the alerts of earlier runs and placements if it is time."""
        due = {group for group, at_us in self._close_us.items() if now.steady_us >= at_us}
        if not due:
            return []
        self._close_us = {group: at_us for group, at_us in self._close_us.items() if group not in due}
        others = [row for row in self._ledger.open_alerts() if _group(row.message) in due and self.over(row.message)]
        return [self._close(row, MOVED if _group(row.message) else "new_run", now) for row in others]

    def lost_engine(self, now: Now) -> list[Change]:
        """Close all alerts: the engine has been silent for long."""
        return [self._close(row, "engine_lost", now) for row in self._ledger.open_alerts()]

    def hide(self, camera: str, rule: str) -> None:
        """Show and announce the open alerts of a rule no longer: it was disarmed."""
        for row in self._ledger.open_alerts():
            if (row.camera, row.rule) == (camera, rule):
                self._ledger.put_alert(replace(row, shown=False, announced=False))

    def on(self, now: Now) -> dict[tuple[str, str], list[AlertRow]]:
        """Return the alerts for which each (camera, rule) is on now, the latest last."""
        found: dict[tuple[str, str], list[AlertRow]] = {}
        # One that is on until later than this was closed before the clock was set back.
        ended = self._ledger.ended_on(now.us + 1, now.us + self._config.least_on)
        for row in (*ended, *self._ledger.open_alerts()):
            if row.shown:
                found.setdefault((row.camera, row.rule), []).append(row)
        return found

    def _cleared(self, alert: Alert, row: AlertRow | None, now: Now) -> list[Change]:
        reason = alert.clear_reason or "over"
        if row is None:
            row = replace(self._begin(alert, now), open=False, closed_by=reason, on_until_us=0)
            what: What = "noted" if not row.announced else "cleared" if row.of else "closed"
            return [self._changed(row, what, now)]
        if not row.open and row.closed_by not in OURS:
            return []
        what = "cleared" if row.open else "noted"
        return [self._changed(replace(row, open=False, closed_by=reason, run=alert.run, message=alert), what, now)]

    def _begin(self, alert: Alert, now: Now) -> AlertRow:
        if (same := self._same(alert)) is not None:
            return self._going_on(alert, same, now)
        armed = self._ledger.armed(alert.camera, alert.rule)
        ended_us = alert.capture_us if alert.state == "cleared" else 0
        return AlertRow(
            id=alert.alert,
            camera=alert.camera,
            rule=alert.rule,
            run=alert.run,
            open=True,
            last_us=now.us,
            on_until_us=now.us + self._config.least_on,
            closed_by="",
            shown=armed,
            announced=armed and max(alert.began_us, ended_us) >= self._since_us,
            message=alert,
        )

    def _same(self, alert: Alert) -> AlertRow | None:
        """Return the alert that another engine of the fleet has raised of the same; None if there is none."""
        if alert.generation is None:
            return None
        until_us = alert.capture_us + (NEW_RUN_US if alert.state != "cleared" else 0)
        for row in (*self._ledger.open_alerts(), *self._ledger.closed_alerts(alert.camera, ENDED_LATELY)):
            other = row.message
            if (row.camera, row.rule) != (alert.camera, alert.rule) or row.closed_by == MOVED:
                continue
            if (other.generation or 0) > alert.generation and other.since_us <= until_us:
                return row
            if (other.generation or 0) < alert.generation and (row.open or alert.since_us <= other.capture_us):
                return row
        return None

    def _going_on(self, alert: Alert, same: AlertRow, now: Now) -> AlertRow:
        """Return the row of an alert that is the same as one of another placement; the earlier one ends."""
        of = same.of or same.id
        row = replace(same, id=alert.alert, run=alert.run, open=True, closed_by="", message=alert, of=of)
        if (same.message.generation or 0) > (alert.generation or 0):
            return replace(row, open=False, closed_by=MOVED, shown=False, announced=False)
        self._changed(replace(same, open=False, closed_by=MOVED, shown=False), "noted", now)
        return row

    def _reopen(self, row: AlertRow, now: Now) -> Change:
        return self._changed(replace(row, open=True, closed_by=""), "reopened", now)

    def _close(self, row: AlertRow, reason: str, now: Now) -> Change:
        return self._changed(replace(row, open=False, closed_by=reason), "cleared", now)

    def _changed(self, row: AlertRow, what: What, now: Now) -> Change:
        """Write an alert. One of an earlier run is closed after a while, also if its messages arrive late."""
        row = replace(row, last_us=now.us)
        self._ledger.put_alert(row)
        if row.open and self.over(row.message):
            self._close_us.setdefault(_group(row.message), now.steady_us + NEW_RUN_US)
        return Change(row, what)


def _group(alert: Alert) -> str:
    """Return what alerts end together with: the run of the engine; in a fleet, the placement of the camera."""
    return alert.camera if alert.generation is not None else ""


@dataclass(slots=True)
class CameraView:
    """One camera. `people` has the action of each tracked person of the epoch, by track."""

    status: Status | None = None
    state: str = "connecting"
    run: str = ""
    epoch: int = 0
    people: dict[int, str] = field(default_factory=dict[int, str])
    unlisted: int = 0

    def reached(self, run: str, epoch: int) -> None:
        """Forget the people of the run or epoch before."""
        if run != self.run or epoch > self.epoch:
            self.run, self.epoch = run, epoch
            self.people.clear()

    @property
    def actions(self) -> dict[str, int]:
        """People by action."""
        return dict(sorted(Counter(self.people.values()).items()))


class EngineView:
    """The cameras of the engine's latest run, or of a fleet, by id."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraView] = {}
        self.listed = False
        """Whether all cameras are known."""

    def take(self, message: Event | Status | Stats | Place) -> None:
        """Take a message of the latest run, or of a fleet."""
        if isinstance(message, Place):
            self._placed(message)
            return
        if isinstance(message, Stats):
            self._listed(message)
            return
        if isinstance(message, Status) and message.state == "removed" and message.generation is None:
            self.cameras.pop(message.camera, None)
            return
        camera = self.cameras.setdefault(message.camera, CameraView())
        if message.run == camera.run and message.epoch < camera.epoch:
            return
        camera.reached(message.run, message.epoch)
        if isinstance(message, Status):
            camera.status, camera.state = message, message.state
            if message.state != "live":
                camera.people.clear()
        elif message.source == "model":
            if message.kind == "ended":
                camera.people.pop(message.track, None)
            else:
                camera.people[message.track] = message.label

    def _placed(self, place: Place) -> None:
        if place.state == "removed":
            self.cameras.pop(place.camera, None)
            return
        camera = self.cameras.setdefault(place.camera, CameraView())
        if place.address is None:
            camera.state = place.state
            camera.people.clear()

    def _listed(self, stats: Stats) -> None:
        self.listed = True
        if stats.engine is not None:
            return  # there are others, and a directory
        for camera in self.cameras.values():
            camera.unlisted += 1
        for one in stats.cameras:
            camera = self.cameras.setdefault(one.camera, CameraView())
            camera.unlisted, camera.state = 0, one.state
            camera.reached(stats.run, one.epoch)
            if not one.tracks:
                camera.people.clear()
        self.cameras = {name: one for name, one in self.cameras.items() if one.unlisted < LISTS_WITHOUT}
