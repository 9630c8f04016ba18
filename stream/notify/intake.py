"""From the engine's messages to the ledger: a burst of messages is one transaction, with the messages to the targets.

Alerts, rules and messages are in the ledger only, so that nothing of a burst remains if its transaction fails: the
caller offers the same burst again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import msgspec

from stream.messaging.gaps import Position
from stream.notify.clock import Now
from stream.notify.engine_state import AlertStates, Change, EngineView
from stream.notify.ledger import Delivery, Ledger
from stream.notify.notice import PLAIN, Held, Notice, decode, encode
from stream.notify.notify_config import MqttConfig, NotifyConfig
from stream.results import Alert, ClipReady, Event, Message, Place, Stats, Status, kind_of, topic_of
from stream.rules.hours import MINUTE_US, Hours

logger = logging.getLogger(__name__)

FLOOD_US = MINUTE_US
"""Time after which messages held back by a flood are summed up."""
PRUNE_US = 10 * MINUTE_US
POSITIONS_US = MINUTE_US
"""Interval of writing positions while no alert arrives. What was read since then is read again after a kill."""
BEGINNINGS = ("began", "closed")


@dataclass(frozen=True, slots=True)
class Received:
    """A message, and whether it came by replay. `earlier`: its run of the engine is over."""

    message: Message
    replayed: bool = False
    earlier: bool = False


@dataclass(slots=True)
class Outcome:
    """What a burst changed: targets with new messages, and whether sensors may have changed."""

    targets: set[str] = field(default_factory=set[str])
    shown: bool = False
    closed: Counter[str] = field(default_factory=Counter[str])
    held: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


class Intake:
    """Reads messages into `ledger`, and plans the messages to the targets.

    `take` and `tick` raise `sqlite3.Error` if the ledger cannot be written.
    """

    def __init__(self, config: NotifyConfig, ledger: Ledger, now: Now) -> None:
        self.messages: Counter[str] = Counter()
        """Messages read, by kind."""
        self.closed: Counter[str] = Counter()
        """Alerts that ended, by reason."""
        self.held: Counter[tuple[str, str]] = Counter()
        """Messages held back, by target and reason."""
        self.lost = 0
        """Messages that replay could not provide."""
        self.silent = False
        """Whether the engine has sent nothing for `engine_silent`."""
        self.states = AlertStates(config, ledger, now)
        self.view = EngineView()
        self._config = config
        self.of = "fleet" if config.engine.fleet else "engine"
        self.ledger = ledger
        zone, targets = config.time_zone, config.targets.items()
        self._hours = {name: Hours(one.quiet_hours, zone) for name, one in targets if one.quiet_hours is not None}
        self._heard_us = now.steady_us
        self._lost_engine = False
        self._missed, self._more = 0, False
        """Lost messages that no notice has reported yet, and whether there may be more."""
        self._reported_us = self._written_us = self._pruned_us = 0
        self._read: dict[tuple[str, str, int], Position] = {}
        """How far topics were read that the ledger does not have yet."""

    def take(self, burst: Sequence[Received], now: Now) -> Outcome:
        """Take messages. If the ledger cannot be written, offer the same burst again."""
        outcome, read = Outcome(), self._read.copy()
        with self.ledger.transaction():
            changes: list[Change] = []
            for one in burst:
                name, run, epoch = topic_of(one.message), one.message.run, one.message.epoch
                read[name, run, epoch] = Position(name, run, epoch, one.message.seq + 1)
                changes += self._message(one, now, outcome)
            plain = [one.message for one in burst if isinstance(one.message, Event | ClipReady)]
            due = now.steady_us - self._written_us >= POSITIONS_US
            written = self._plan(changes, self._planned_plain(plain), outcome, now) or due
            if written:
                self.ledger.set_meta("run", self.states.run)
                self.ledger.reached(one for one in read.values() if one.topic.startswith(("alerts/", "stats/")))
        self._read, self._written_us = ({}, now.steady_us) if written else (read, self._written_us)
        self.messages.update(kind_of(one.message) for one in burst)
        self._count(outcome)
        self._heard_us = now.steady_us
        self.silent = self._lost_engine = False
        return outcome

    def tick(self, now: Now) -> Outcome:
        """Do what is due. To be called about every second."""
        outcome = Outcome()
        silent_us = now.steady_us - self._heard_us
        silent, lost = silent_us >= self._config.engine_silent, silent_us >= self._config.engine_lost
        report = (self._missed > 0 or self._more) and now.steady_us - self._reported_us >= MINUTE_US
        prune = now.steady_us - self._pruned_us >= PRUNE_US
        with self.ledger.transaction():
            changes = self.states.due(now)
            planned = [one for name in self._config.targets for one in self._summaries(name, now)]
            if lost and not self._lost_engine:
                changes += self.states.lost_engine(now)
                closed = _counted(len(changes), "alert")
                text = f"no message from the {self.of} for {silent_us // 1_000_000} s; {closed} closed"
                planned += self._to_all(text, now)
            if report:
                planned += self._to_all(_lost_text(self.of, self._missed, more=self._more), now)
            self._plan(changes, planned, outcome, now)
            if prune:
                self.ledger.prune(now.us, self._config.keep_days)
        self._count(outcome)
        if report:
            self._missed, self._more, self._reported_us = 0, False, now.steady_us
        self._pruned_us = now.steady_us if prune else self._pruned_us
        outcome.shown |= silent and not self.silent
        self.silent, self._lost_engine = silent, lost
        return outcome

    def gap(self, lost: int, *, more: bool = False) -> None:
        """Count messages that replay could not provide; a notice reports them, and if there may be `more`."""
        self.lost += lost
        self._missed += lost
        self._more |= more

    def set_armed(self, rules: Iterable[tuple[str, str]], *, armed: bool) -> bool:
        """Arm or disarm rules. Return whether all are known; else none is changed.

        Open alerts of disarmed rules are no longer shown.
        """
        known = self.ledger.rules()
        wanted = set(rules)
        if not wanted <= known.keys():
            return False
        with self.ledger.transaction():
            for camera, rule in sorted(one for one in wanted if known[one] != armed):
                self.ledger.arm_rule(camera, rule, armed=armed)
                if not armed:
                    self.states.hide(camera, rule)
        return True

    def set_rules(self, known: Iterable[tuple[str, str]]) -> bool:
        """Take the engine's list of rules. Return whether it differs. Rules with open alerts stay."""
        wanted = set(known) | {(row.camera, row.rule) for row in self.ledger.open_alerts()}
        before = self.ledger.rules().keys()
        if wanted == before:
            return False
        with self.ledger.transaction():
            for key in wanted ^ before:
                self.ledger.list_rule(*key, listed=key in wanted)
        return True

    def _message(self, one: Received, now: Now, outcome: Outcome) -> list[Change]:
        message = one.message
        if self._config.engine.fleet:
            self.states.in_fleet(message, now)
        elif message.run != self.states.run and not one.earlier:
            self.states.new_run(message.run, now)
        if isinstance(message, Alert):
            outcome.shown = True
            self.ledger.list_rule(message.camera, message.rule)
            return self.states.take(message, now, earlier=one.earlier or self.states.over(message))
        if not isinstance(message, Event | Status | Stats | Place) or (isinstance(message, Stats) and one.replayed):
            return []
        if not self._config.engine.fleet and message.run != self.states.run:
            return []
        outcome.shown = True
        self.view.take(message)
        return self.states.reconcile(message, now) if isinstance(message, Stats) else []

    # -- planning -----------------------------------------------------------------------------------------------
    def _plan(self, changes: Sequence[Change], planned: Sequence[Delivery], outcome: Outcome, now: Now) -> bool:
        """Write the messages about changes, and those already planned. Return whether there is anything new."""
        for change in changes:
            outcome.closed[change.row.closed_by] += change.what in ("cleared", "closed")
            armed = self.ledger.armed(change.row.camera, change.row.rule)
            outcome.held["", "disarmed"] += change.what == "noted" and change.row.open and not armed
        about = (self._about(change, name, now) for change in changes for name in self._config.targets)
        for one in chain(about, planned):  # each after the one before is written, as limits count those
            if one is not None and self.ledger.plan(one, now.us):
                outcome.targets.add(one.target)
                outcome.held[one.target, one.error] += one.state == "held"
        for name in outcome.targets:
            excess = self.ledger.count(name, "pending") - self._config.targets[name].most_pending
            for one in self.ledger.oldest_untried(name, max(0, excess)):
                self.ledger.tried(one.seq, "held", now.us, "flood", now.us + FLOOD_US)
                outcome.held[name, "flood"] += 1
        outcome.shown |= bool(changes)
        return bool(changes or planned)

    def _count(self, outcome: Outcome) -> None:
        """Count what is written: a transaction that fails is tried again."""
        self.closed.update(outcome.closed)
        self.held.update(outcome.held)

    def _about(self, change: Change, name: str, now: Now) -> Delivery | None:
        """Return the message about a change to a target; None if it gets none."""
        row, alert, what, target = change.row, change.row.message, change.what, self._config.targets[name]
        of = row.of or row.id
        alert = msgspec.structs.replace(alert, alert=of)
        if what in ("reopened", "noted") or not row.announced:
            return None
        if not target.wants(row.camera, row.rule, alert.severity):
            return None
        if (what if what != "closed" else "began") not in target.states:
            return None
        key = f"{of}:{what}" + (f":{alert.run[:8]}-{alert.epoch}-{alert.seq}" if what == "updated" else "")
        if what not in BEGINNINGS:
            before = self.ledger.of_alert(of, name)
            if any(one.kind in BEGINNINGS and one.state == "held" for one in before):
                return None  # its beginning was held back
            ends = sum(one.kind == what == "cleared" for one in before)
            key += f":{ends + 1}" if ends else ""  # it was reported again after notify had closed it
        notice = Notice(id=key, state=what, at_us=now.us, alert=alert, closed_by=row.closed_by)
        planned = Delivery(key, name, what, encode(notice), row.camera, of, alert.severity == "critical")
        held, due_us = self._held(planned, row.rule, now.us)
        return replace(planned, state="held", due_us=due_us, error=held) if held else planned

    def _held(self, planned: Delivery, rule: str, now_us: int) -> tuple[str, int]:
        """Return why a message is held back, empty if it is sent now, and when to sum it up.

        Only what was planned before now counts, so that nothing is held back for long if the clock was set back.
        """
        target = self._config.targets[planned.target]
        if self._quiet(planned.target, now_us) and not (planned.critical and target.critical):
            return "quiet_hours", now_us
        if target.group_within and planned.kind in BEGINNINGS:
            since_us = now_us - target.group_within + 1
            began_us = self.ledger.group_began_us(planned.target, planned.lane, rule, since_us, now_us)
            if began_us is not None:
                return "group", began_us + target.group_within
        if target.most_per_minute is not None and planned.kind != "cleared":
            sent, first_us = self.ledger.counted(planned.target, now_us - MINUTE_US + 1, now_us)
            if sent >= target.most_per_minute:
                return "cap", first_us + MINUTE_US
        return "", 0

    def _quiet(self, target: str, now_us: int) -> bool:
        """Return whether it is one of the quiet hours of a target."""
        hours = self._hours.get(target)
        return hours is not None and hours.include(now_us)

    def _summaries(self, name: str, now: Now) -> list[Delivery]:
        """Return the summary of what was held back and is due, outside of quiet hours."""
        longest_us = max(MINUTE_US, self._config.targets[name].group_within)
        held = self.ledger.held_due(name, now.us, longest_us)
        if not held or self._quiet(name, now.us):
            return []
        self.ledger.summed_up(one.seq for one in held)
        key = f"summary-{held[0].seq}-{held[-1].seq}"
        return [_of_notify(Notice(id=key, state="summary", at_us=now.us, held=_summary(held)), name)]

    def _planned_plain(self, messages: Sequence[Event | ClipReady]) -> list[Delivery]:
        """Return the engine's own messages to the brokers that want them; clips with their address, if there is one."""
        planned: list[Delivery] = []
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
                Delivery(key, name, kind, plan, message.camera, critical=False)
                for name, one in self._config.targets.items()
                if isinstance(one, MqttConfig)
                and (one.clips if kind == "clip" else one.events)
                and (one.cameras is None or message.camera in one.cameras)
            ]
        return planned

    def _to_all(self, text: str, now: Now) -> list[Delivery]:
        """Return a message about the engine to all targets that want such."""
        logger.warning("%s", text)
        notice = Notice(id=f"notice-{now.us}", state="notice", at_us=now.us, text=text)
        return [_of_notify(notice, name) for name, one in self._config.targets.items() if one.notices]


def test_notice(target: str, now: Now) -> Delivery:
    """Return a test message."""
    text = "Test of partstream notify"
    return _of_notify(Notice(id=f"test-{now.us}", state="test", at_us=now.us, text=text), target)


def _of_notify(notice: Notice, target: str) -> Delivery:
    """Return a message to a target that is not about one alert."""
    return Delivery(notice.id, target, notice.state, encode(notice))


def _summary(held: Sequence[Delivery]) -> Held:
    """Return the summary of messages that were held back."""
    by = Counter(one.error for one in held)
    rules: Counter[str] = Counter()
    for one in held:
        alert = decode(one.plan).alert if one.kind not in PLAIN else None
        rule = alert.rule if alert is not None else f"{one.kind}s" if one.kind in PLAIN else "notices"
        rules[rule] += 1
    times = [one.created_us for one in held]
    return Held(len(held), dict(by), dict(rules), min(times), max(times))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _lost_text(of: str, missed: int, *, more: bool) -> str:
    if more:
        least = f"at least {_counted(missed, 'message')} lost" if missed else "it is not known how many"
        return f"alerts of the {of} may be missing, because replay did not answer: {least}"
    were = "was" if missed == 1 else "were"
    return f"{_counted(missed, 'message')} of the {of} {were} lost; its alerts may be missing"
