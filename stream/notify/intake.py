"""From the engine's messages to the ledger: a burst of messages is one transaction.

It holds the states that the ledger also has. If a transaction fails, nothing of its burst remains, here neither: the
caller offers the same burst again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from stream.messaging.gaps import Position
from stream.notify.alert_states import RECENT, AlertStates, Change
from stream.notify.engine_view import EngineView
from stream.notify.ledger import Delivery, Ledger, Planned
from stream.notify.notice import Notice, encode
from stream.notify.notify_config import MqttConfig, NotifyConfig, TargetConfig
from stream.notify.shaping import BEGINNINGS, Shaper, summary
from stream.results import Alert, ClipReady, Event, Frame, Message, Stats, Status, stats_topic, topic
from stream.rules.hours import MINUTE_US

logger = logging.getLogger(__name__)

FLOOD_US = MINUTE_US
"""Time after which messages held back by a flood are summed up."""
PRUNE_US = 10 * MINUTE_US
POSITIONS_US = MINUTE_US
"""Interval of writing positions while no alert arrives. What was read since then is read again after a kill."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message, and whether it came by replay, after others that are newer.

    `incomplete`: earlier messages of its topic, or of earlier runs of the engine, are still missing, and will come. How
    far the topic was read is then not written, so that they are requested again after a restart. `earlier`: the run of
    the message is over.
    """

    message: Message
    replayed: bool = False
    incomplete: bool = False
    earlier: bool = False


@dataclass(slots=True)
class Outcome:
    """What a burst changed: targets with new messages, and whether the engine has alerts that must be requested."""

    targets: set[str] = field(default_factory=set[str])
    request_alerts: bool = False
    shown: bool = False
    """Whether sensors may have changed."""


@dataclass(slots=True)
class IntakeCounts:
    """Counts since the start."""

    messages: Counter[str] = field(default_factory=Counter[str])
    closed: Counter[str] = field(default_factory=Counter[str])
    held: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    lost: int = 0


class Intake:
    """Reads messages into `ledger`, and plans the messages to the targets."""

    def __init__(self, config: NotifyConfig, ledger: Ledger, now_us: int, steady_us: int | None = None) -> None:
        steady_us = now_us if steady_us is None else steady_us
        self.counts = IntakeCounts()
        self.view = EngineView()
        self.rules: dict[tuple[str, str], bool] = {}
        """Whether each known (camera, rule) is armed."""
        self._armed: dict[tuple[str, str], bool] = {}
        """The same, also of those in `_removed`."""
        self._removed: set[tuple[str, str]] = set()
        """Disarmed rules that the engine no longer has: they are still disarmed when it has them again."""
        self._config = config
        self._ledger = ledger
        self._heard_us = steady_us
        self._silent = self._lost = False
        self._lost_messages = 0
        self._lost_more = False
        self._told_lost_us = 0
        self._dirty: dict[tuple[str, str, int], Position] = {}
        self._written_us = self._pruned_us = 0
        self._stale = False
        self._load(now_us, steady_us)

    @property
    def silent(self) -> bool:
        """Whether the engine has sent nothing for `engine_silent`."""
        return self._silent

    def positions(self) -> list[Position]:
        """Return where to continue reading."""
        return self._ledger.positions()

    def take(self, burst: Sequence[Received], now_us: int, steady_us: int | None = None) -> Outcome:
        """Take messages. Raises `sqlite3.Error` if the ledger cannot be written; offer the same burst again then.

        `now_us` is the time of day; `steady_us` a clock that is not set, by default the same.
        """
        steady_us = now_us if steady_us is None else steady_us
        with self._all_or_nothing(now_us, steady_us):
            # At the first start the clock may have been wrong, ahead of that of the cameras.
            self.states.since_us = min(self.states.since_us, now_us - self._config.late_after)
            outcome = Outcome()
            changes = [change for one in burst for change in self._message(one, steady_us, outcome)]
            plain = [one.message for one in burst if isinstance(one.message, Event | ClipReady)]
            self._commit(changes, self._planned_plain(plain), outcome, now_us, steady_us)
        for one in burst:
            self.counts.messages[_kind(one.message)] += 1
        self._heard_us = steady_us
        self._silent = self._lost = False
        return outcome

    def tick(self, now_us: int, steady_us: int | None = None) -> Outcome:
        """Do what is due. To be called about every second. Raises `sqlite3.Error` as `take` does."""
        steady_us = now_us if steady_us is None else steady_us
        silent_us = steady_us - self._heard_us
        silent, lost = silent_us >= self._config.engine_silent, silent_us >= self._config.engine_lost
        with self._all_or_nothing(now_us, steady_us):
            outcome = Outcome()
            changes = self.states.due(steady_us)
            planned: list[Planned] = []
            if lost and not self._lost:
                changes += self.states.lost_engine(steady_us)
                closed = _counted(len(changes), "alert")
                text = f"no message from the engine for {silent_us // 1_000_000} s; {closed} closed"
                planned += self._to_all(text, now_us)
            missed, more = self._lost_messages, self._lost_more
            if steady_us - self._told_lost_us < MINUTE_US:
                missed, more = 0, False
            if missed or more:
                planned += self._to_all(_lost(missed, more=more), now_us)
            self._commit(changes, planned, outcome, now_us, steady_us, summaries=True)
        if missed or more:
            self._lost_messages -= missed
            self._lost_more = self._lost_more and not more
            self._told_lost_us = steady_us
        outcome.shown |= silent and not self._silent
        self._silent, self._lost = silent, lost
        return outcome

    def gap(self, lost: int, *, more: bool = False) -> None:
        """Count messages that replay could not provide; a notice reports them, and if there may be `more`."""
        self.counts.lost += lost
        self._lost_messages += lost
        self._lost_more |= more

    def set_armed(self, camera: str, rule: str, *, armed: bool) -> bool:
        """Arm or disarm a rule. Return whether it is known. Open alerts of a disarmed rule are no longer shown."""
        if (camera, rule) not in self.rules:
            return False
        with self._ledger.transaction():
            self._ledger.set_rule(camera, rule, armed=armed)
            if not armed:
                for row in list(self.states.open.values()):
                    if (row.camera, row.rule) == (camera, rule):
                        self._ledger.put_alert(self.states.hide(row))
        self._read_rules()
        return True

    def set_rules(self, known: Iterable[tuple[str, str]]) -> bool:
        """Take the engine's list of rules. Return whether it differs. Rules with open alerts stay.

        One that is disarmed remains so when the engine has it again.
        """
        wanted = set(known) | {(row.camera, row.rule) for row in self.states.open.values()}
        if wanted == self.rules.keys():
            return False
        with self._ledger.transaction():
            for camera, rule in wanted - self._armed.keys():
                self._ledger.set_rule(camera, rule, armed=True)
            for camera, rule in self._armed.keys() - wanted:
                if self._armed[camera, rule]:
                    self._ledger.remove_rule(camera, rule)
        self._removed = {key for key, armed in self._armed.items() if not armed and key not in wanted}
        self._read_rules()
        return True

    def _read_rules(self) -> None:
        self._armed = self._ledger.rules()
        self.rules = {key: armed for key, armed in self._armed.items() if key not in self._removed}

    @contextmanager
    def _all_or_nothing(self, now_us: int, steady_us: int) -> Generator[None]:
        """Take the states from the ledger again after a transaction that failed, and forget how far it had read."""
        if self._stale:
            self._load(now_us, steady_us)
            self._stale = False
        dirty = self._dirty.copy()
        try:
            yield
        except BaseException:
            self._stale = True
            self._dirty = dirty  # otherwise `tick` would write that the burst was read, before it is offered again
            raise

    def _load(self, now_us: int, steady_us: int) -> None:
        """Take the states from the ledger."""
        ledger, config = self._ledger, self._config
        self._read_rules()
        self.states = AlertStates(
            [*ledger.closed_alerts(RECENT), *ledger.open_alerts()],
            ledger.alert,
            lambda camera, rule: self._armed.get((camera, rule), True),
            run=str(ledger.meta("run") or ""),
            since_us=int(ledger.meta("created_us") or 0) - config.late_after,
            least_on_us=config.least_on,
        )
        self.states.started(steady_us)
        self._shapers: dict[str, Shaper] = {}
        for name, target in config.targets.items():
            earlier = [
                min(steady_us, steady_us - now_us + created_us)
                for created_us, kind, *_ in ledger.planned_since(name, now_us - MINUTE_US)
                if kind not in ("cleared", "summary", "notice", "test")
            ]
            self._shapers[name] = Shaper(target, config.time_zone, earlier)

    def _message(self, one: Received, steady_us: int, outcome: Outcome) -> list[Change]:
        message = one.message
        name = topic_of(message)
        if not one.incomplete:
            self._dirty[name, message.run, message.epoch] = Position(name, message.run, message.epoch, message.seq + 1)
        changes: list[Change] = []
        if message.run != self.states.run and not one.earlier:
            self.states.new_run(message.run, steady_us)
            self.view.new_run()
        if isinstance(message, Alert):
            outcome.shown = True
            changes += self.states.take(message, steady_us, earlier=one.earlier)
        elif isinstance(message, Event | Status | Stats) and message.run == self.states.run:
            if isinstance(message, Stats) and one.replayed:
                return []
            outcome.shown = True
            for camera in self.view.take(message):
                self.states.forget_camera(camera)
            if isinstance(message, Stats):
                found, unknown = self.states.reconcile(message, steady_us)
                changes += found
                outcome.request_alerts |= unknown
        return changes

    def _commit(
        self,
        changes: Sequence[Change],
        planned: Sequence[Planned],
        outcome: Outcome,
        now_us: int,
        steady_us: int,
        *,
        summaries: bool = False,
    ) -> None:
        """Write the changes with their messages, and how far the topics were read, in one transaction."""
        targets = self._config.targets
        sums = [one for name in targets if summaries for one in self._summaries(name, now_us, steady_us)]
        prune = steady_us - self._pruned_us >= PRUNE_US
        if not (changes or planned or sums or prune or steady_us - self._written_us >= POSITIONS_US):
            return
        closed: Counter[str] = Counter()
        held: Counter[tuple[str, str]] = Counter()
        with self._ledger.transaction():
            for change in changes:
                self._ledger.put_alert(change.row)
                if (change.row.camera, change.row.rule) not in self._armed:
                    self._ledger.set_rule(change.row.camera, change.row.rule, armed=True)
                closed[change.row.closed_by] += change.what in ("cleared", "closed")
                armed = self._armed.get((change.row.camera, change.row.rule), True)
                held["", "disarmed"] += change.what == "noted" and change.row.open and not armed
                for name, target in targets.items():
                    one = self._planned(name, target, change, now_us, steady_us)
                    if one is not None and self._ledger.plan(one, now_us):
                        outcome.targets.add(name)
                        held[name, one.held] += bool(one.held)
            for one in planned:
                if self._ledger.plan(one, now_us):
                    outcome.targets.add(one.target)
            for summed, one in sums:
                self._ledger.plan(one, now_us)
                self._ledger.summed_up(summed)
                outcome.targets.add(one.target)
            for name in outcome.targets:
                excess = self._ledger.count(name, "pending") - targets[name].most_pending
                for one in self._ledger.oldest_untried(name, max(0, excess)):
                    self._ledger.tried(one.seq, "held", now_us, "flood", steady_us + FLOOD_US)
                    held[name, "flood"] += 1
            self._ledger.set_meta("run", self.states.run)
            self._ledger.reached(one for one in self._dirty.values() if one.topic.startswith(("alerts/", "stats/")))
            if prune:
                self._ledger.prune(now_us, self._config.keep_days)
        if changes:
            self._removed -= {(change.row.camera, change.row.rule) for change in changes}
            self._read_rules()
        self._dirty.clear()
        self._written_us = steady_us
        self._pruned_us = steady_us if prune else self._pruned_us
        self.counts.closed += closed
        self.counts.held += held
        outcome.shown |= bool(changes)

    def _planned(self, name: str, target: TargetConfig, change: Change, now_us: int, steady_us: int) -> Planned | None:
        """Return the message about a change to a target; None if it gets none."""
        row, alert, what = change.row, change.row.message, change.what
        if what in ("reopened", "noted") or not row.announced:
            return None
        if not target.wants(row.camera, row.rule, alert.severity):
            return None
        if (what if what != "closed" else "began") not in target.states:
            return None
        key = f"{row.id}:{what}" + (f":{alert.run[:8]}-{alert.epoch}-{alert.seq}" if what == "updated" else "")
        if what not in BEGINNINGS:
            before = self._ledger.of_alert(row.id, name)
            if any(one.kind in BEGINNINGS and one.state == "held" for one in before):
                return None  # its beginning was held back
            ends = sum(one.kind == what == "cleared" for one in before)
            key += f":{ends + 1}" if ends else ""  # it was reported again after notify had closed it
        critical = alert.severity == "critical"
        shaper = self._shapers[name]
        held, due_us = shaper.held(what, row.camera, row.rule, now_us, steady_us, critical=critical)
        notice = Notice(id=key, state=what, at_us=now_us, alert=alert, closed_by=row.closed_by)
        return Planned(key, name, row.camera, what, row.id, critical, encode(notice), held, due_us)

    def _planned_plain(self, messages: Sequence[Event | ClipReady]) -> list[Planned]:
        """Return the engine's own messages to the brokers that want them; clips with their address, if there is one."""
        planned: list[Planned] = []
        for message in messages:
            if isinstance(message, ClipReady):
                kind, key, plan = "clip", f"clip-{message.clip}", encode(message)
                if self._config.public_url is not None:
                    url = f"{self._config.public_url.rstrip('/')}/api/v1/clips/{message.clip}"
                    plan = encode(msgspec.json.decode(plan) | {"url": url})
            else:
                key = f"{message.run[:8]}-{message.camera}-{message.epoch}-{message.seq}"
                kind, plan = "event", encode(message)
            planned += [
                Planned(key, name, message.camera, kind, "", False, plan)
                for name, one in self._config.targets.items()
                if isinstance(one, MqttConfig)
                and (one.clips if kind == "clip" else one.events)
                and (one.cameras is None or message.camera in one.cameras)
            ]
        return planned

    def _to_all(self, text: str, now_us: int) -> list[Planned]:
        """Return a message about the engine to all targets that want such."""
        logger.warning("%s", text)
        key = f"notice-{now_us}"
        plan = encode(Notice(id=key, state="notice", at_us=now_us, text=text))
        return [
            Planned(key, name, "", "notice", "", True, plan)
            for name, one in self._config.targets.items()
            if one.notices
        ]

    def _summaries(self, name: str, now_us: int, steady_us: int) -> list[tuple[list[Delivery], Planned]]:
        """Return the summary of what was held back and is due, outside of quiet hours."""
        shaper = self._shapers[name]
        held = self._ledger.held_due(name, steady_us, shaper.longest_us)
        if not held or shaper.quiet_until(now_us):
            return []
        key = f"summary-{held[0].seq}-{held[-1].seq}"
        plan = encode(Notice(id=key, state="summary", at_us=now_us, held=summary(held)))
        return [(held, Planned(key, name, "", "summary", "", True, plan))]


def test_notice(target: str, now_us: int) -> Planned:
    """Return a test message."""
    key = f"test-{now_us}"
    plan = encode(Notice(id=key, state="test", at_us=now_us, text="Test of partstream notify"))
    return Planned(key, target, "", "test", "", True, plan)


def topic_of(message: Message) -> str:
    """Return the topic of a message."""
    return stats_topic(message.engine) if isinstance(message, Stats) else topic(_TOPICS[type(message)], message.camera)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _lost(missed: int, *, more: bool) -> str:
    if more:
        least = f"at least {_counted(missed, 'message')} lost" if missed else "it is not known how many"
        return f"alerts of the engine may be missing, because engine.replay did not answer: {least}"
    were = "was" if missed == 1 else "were"
    return f"{_counted(missed, 'message')} of the engine {were} lost; its alerts may be missing"


def _kind(message: Message) -> str:
    return "stats" if isinstance(message, Stats) else _TOPICS[type(message)]


_TOPICS: dict[type[Message], Literal["results", "events", "status", "alerts", "clips"]] = {
    Frame: "results",
    ClipReady: "clips",
    Event: "events",
    Status: "status",
    Alert: "alerts",
}
