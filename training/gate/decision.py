"""The decision whether a new checkpoint may replace an old one: from counts alone, without models or files.

Both checkpoints answer the same material, so that every test is of pairs. Verdicts exist because a checkpoint, mostly
OLD, raised the event. Of these, an equally good NEW loses more than it gains, so that a share of them may be lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from training.footage.judging import Interval, bootstrap_macro, bootstrap_share, macro

SIGNIFICANT = 0.05
"""A difference that is less likely than this by chance refuses the checkpoint."""
ALLOWED_LOST = 0.10
"""The share of OLD's confirmed events that a checkpoint may lose, net of those gained."""
LEAST_MINUTES = 5
"""Minutes of videos below which no difference of alarms can be significant."""
LEAST_INSTANTS, LEAST_PEOPLE = 20, 5
"""Labelled instants, and people or takes, below which an action of the footage is not judged."""

CONFIRMED, BACK_TEST, FOOTAGE, FORGETTING = "confirmed", "back-test", "footage", "forgetting"
REQUIRED = (CONFIRMED, BACK_TEST, FOOTAGE, FORGETTING)
"""The checks that a checkpoint must pass."""
WRONG, CLIPS = "judged wrong", "alarms in clips"
"""What is shown but decides nothing: the material was chosen because OLD raised it, so that it favours NEW."""

Outcome = Literal["passed", "refused", "not measured", "shown"]


class Judged(NamedTuple):
    """One judged event, and whether each checkpoint raises its action in its span.

    `label`: the true action of a confirmed event, or the wrong one that was named.
    """

    label: str
    old: bool
    new: bool


class Alarm(NamedTuple):
    """An alarm that one of the checkpoints raises, or both.

    `what`: its action or rule. `minute` names the video and the minute of it in which the alarm begins.
    """

    what: str
    minute: tuple[str, int]
    old: bool
    new: bool


class Alarms(NamedTuple):
    """The alarms in `hours` of videos, which have `minutes` that an alarm can begin in. `what` names them."""

    what: str
    hours: float
    minutes: int
    raised: Sequence[Alarm]


class LabelledPerson(NamedTuple):
    """The labelled instants of one person of the footage with one action, and how many each checkpoint answers right.

    `unit` is what a bootstrap resamples: the person, or the take if several cameras recorded it."""

    unit: str
    action: str
    instants: int
    old: int
    new: int


class Sequences(NamedTuple):
    """Generated sequences that end with one action: those that each checkpoint, and only one, answers right."""

    shown: int
    old: int
    new: int
    lost: int
    gained: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What both checkpoints did. Empty or None: not measured; `missing` then gives the reason by the check's name.

    `confirmed`, `wrong` and `in_clips` are of verdicts' clips that NEW did not learn from.
    """

    confirmed: Sequence[Judged] = ()
    wrong: Sequence[Judged] = ()
    alarms: Alarms | None = None
    in_clips: Alarms | None = None
    footage: Sequence[LabelledPerson] = ()
    sequences: Mapping[str, Sequences] = field(default_factory=dict[str, Sequences])
    missing: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the decision. `part` is the action that it is about, "" for all.

    `old` and `new` are shares of `of`, or counts of alarms in `hours` of videos if `of` is None. `difference` is the
    95 % interval of NEW - OLD of the footage.
    """

    name: str
    part: str
    outcome: Outcome
    reason: str
    of: int | None = None
    old: float | None = None
    new: float | None = None
    difference: Interval | None = None
    p: float | None = None
    hours: float | None = None


def decide(measured: Measured) -> list[Check]:
    """Return all checks: of each, the one over all actions and then those of actions."""
    return [
        *_confirmed(measured.confirmed, measured.missing),
        *_wrong(measured.wrong),
        _back_test(measured.alarms, measured.missing),
        *_in_clips(measured.in_clips),
        *_footage(measured.footage, measured.missing),
        *_forgetting(measured.sequences, measured.missing),
    ]


def passed(checks: Iterable[Check], unmeasured: Collection[str] = ()) -> bool:
    """Return whether the checkpoint may be used. `unmeasured`: the names of checks that need not be measured."""
    return all(
        check.outcome in ("passed", "shown") or (check.outcome == "not measured" and check.name in unmeasured)
        for check in checks
    )


def _confirmed(ones: Sequence[Judged], missing: Mapping[str, str]) -> Iterator[Check]:
    if not ones:
        yield _not_measured(CONFIRMED, missing, "no verdict confirms an event")
        return
    labels = sorted({one.label for one in ones})
    by_label = [[one for one in ones if one.label == label] for label in labels]
    corrected = holm([_lost_by_chance(own) for own in by_label])
    parts = [_lost(label, own, p) for label, own, p in zip(labels, by_label, corrected, strict=True)]
    yield _with_parts(_lost("", ones, _lost_by_chance(ones)), parts)
    yield from parts


def _lost(part: str, ones: Sequence[Judged], p: float) -> Check:
    lost, gained = _only_old(ones), _only_new(ones)
    return Check(
        CONFIRMED,
        part,
        _outcome(p),
        f"{lost} lost, {gained} gained; {ALLOWED_LOST:.0%} may be lost; p = {p:.2g}",
        of=len(ones),
        old=_share(one.old for one in ones),
        new=_share(one.new for one in ones),
        p=p,
    )


def _lost_by_chance(ones: Sequence[Judged]) -> float:
    """Return the probability that a checkpoint that loses the allowed share loses this number of OLD's events, net."""
    found = sum(one.old for one in ones)
    lost = max(0, _only_old(ones) - _only_new(ones))
    return float(special.bdtrc(lost - 1, found, ALLOWED_LOST))


def _wrong(ones: Sequence[Judged]) -> Iterator[Check]:
    if ones:
        reason = f"{_only_new(ones)} new, {_only_old(ones)} gone: shows improvement, decides nothing"
        old, new = _share(one.old for one in ones), _share(one.new for one in ones)
        yield Check(WRONG, "", "shown", reason, of=len(ones), old=old, new=new)


def _back_test(alarms: Alarms | None, missing: Mapping[str, str]) -> Check:
    if alarms is None:
        return _not_measured(BACK_TEST, missing, "give --videos")
    if alarms.minutes < LEAST_MINUTES:
        return Check(BACK_TEST, "", "not measured", f"the videos have fewer than {LEAST_MINUTES} minutes")
    p = _more_by_chance(alarms.raised)
    whats = sorted({one.what for one in alarms.raised})
    each = holm([_more_by_chance([one for one in alarms.raised if one.what == what]) for what in whats])
    often = [what for what, one in zip(whats, each, strict=True) if one < SIGNIFICANT]
    words = [_alarm_words(alarms), f"p = {p:.2g}"] + ([f"more often: {', '.join(often)}"] if often else [])
    return _alarm_check(BACK_TEST, alarms, _outcome(p), "; ".join(words), p)


def _in_clips(alarms: Alarms | None) -> Iterator[Check]:
    if alarms is not None:
        yield _alarm_check(CLIPS, alarms, "shown", f"{_alarm_words(alarms)}: decides nothing", None)


def _alarm_check(name: str, alarms: Alarms, outcome: Outcome, reason: str, p: float | None) -> Check:
    old, new = (float(sum(getattr(one, name) for one in alarms.raised)) for name in ("old", "new"))
    return Check(name, "", outcome, reason, old=old, new=new, p=p, hours=alarms.hours)


def _alarm_words(alarms: Alarms) -> str:
    return f"{alarms.what}: {_only_new(alarms.raised)} only NEW's, {_only_old(alarms.raised)} only OLD's"


def _more_by_chance(raised: Sequence[Alarm]) -> float:
    """Compare the minutes in which NEW raises more with those in which OLD does: a minute's alarms have one cause."""
    more = Counter[tuple[str, int]]()
    for one in raised:
        more[one.minute] += one.new - one.old
    return _worse_by_chance(sum(count > 0 for count in more.values()), sum(count < 0 for count in more.values()))


def _footage(ones: Sequence[LabelledPerson], missing: Mapping[str, str]) -> Iterator[Check]:
    if not ones:
        yield _not_measured(FOOTAGE, missing, "give --footage")
        return
    units, actions = sorted({one.unit for one in ones}), sorted({one.action for one in ones})
    of = np.zeros((len(units), len(actions)), np.int64)
    old, new = np.zeros_like(of), np.zeros_like(of)
    for one in ones:
        place = units.index(one.unit), actions.index(one.action)
        of[place] += one.instants
        old[place] += one.old
        new[place] += one.new
    enough = (of.sum(0) >= LEAST_INSTANTS) & ((of > 0).sum(0) >= LEAST_PEOPLE)
    of, old, new = of[:, enough], old[:, enough], new[:, enough]
    before, after, interval = macro(old.sum(0), of.sum(0)), macro(new.sum(0), of.sum(0)), bootstrap_macro(new - old, of)
    if before is None or after is None or interval is None:
        reason = f"no action has {LEAST_INSTANTS} labelled instants of {LEAST_PEOPLE} people"
        yield _not_measured(FOOTAGE, missing, reason)
        return
    judged = [action for action, kept in zip(actions, enough, strict=True) if kept]
    parts = [_right(action, of[:, at], old[:, at], new[:, at]) for at, action in enumerate(judged)]
    yield _with_parts(_below("", int(of.sum()), before, after, interval), parts)
    yield from parts


def _right(action: str, of: NDArray[np.int64], old: NDArray[np.int64], new: NDArray[np.int64]) -> Check:
    total = int(of.sum())
    interval = bootstrap_share(new - old, of)
    assert interval is not None, "there are at least LEAST_PEOPLE"
    return _below(action, total, float(old.sum() / total), float(new.sum() / total), interval)


def _below(part: str, of: int, old: float, new: float, difference: Interval) -> Check:
    low, high = (100 * end for end in difference)
    reason = f"NEW - OLD: {100 * (new - old):+.1f} points [{low:+.1f}, {high:+.1f}]"
    outcome = "refused" if difference.high < 0 else "passed"
    return Check(FOOTAGE, part, outcome, reason, of, old, new, difference)


def _forgetting(sequences: Mapping[str, Sequences], missing: Mapping[str, str]) -> Iterator[Check]:
    counted = {action: one for action, one in sorted(sequences.items()) if one.shown}
    if not counted:
        yield _not_measured(FORGETTING, missing, "no sequence of OLD's actions can be generated")
        return
    corrected = holm([_worse_by_chance(one.lost, one.gained) for one in counted.values()])
    parts = [
        Check(
            FORGETTING,
            action,
            _outcome(p),
            f"{one.lost} lost, {one.gained} gained; p = {p:.2g}",
            of=one.shown,
            old=one.old / one.shown,
            new=one.new / one.shown,
            p=p,
        )
        for p, (action, one) in zip(corrected, counted.items(), strict=True)
    ]
    count, old, new = (sum(getattr(one, name) for one in counted.values()) for name in ("shown", "old", "new"))
    reason = f"{len(parts)} actions; least p = {min(corrected):.2g}"
    whole = Check(FORGETTING, "", "passed", reason, of=count, old=old / count, new=new / count)
    yield _with_parts(whole, parts)
    yield from parts


def holm(values: Sequence[float]) -> list[float]:
    """Return the p values corrected for their number, by Holm's method, in the same order."""
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    corrected = np.minimum(1.0, np.maximum.accumulate(np.asarray(values, np.float64)[order] * factors))
    found = np.empty(len(values))
    found[order] = corrected
    return found.tolist()


def _worse_by_chance(bad: int, good: int) -> float:
    """Return how likely at least `bad` of `bad + good` are, if each is as likely bad as good; 1 if there are none."""
    if not bad + good:
        return 1.0
    return float(special.bdtrc(bad - 1, bad + good, 0.5))


def _outcome(p: float) -> Outcome:
    return "refused" if p < SIGNIFICANT else "passed"


def _with_parts(check: Check, parts: Sequence[Check]) -> Check:
    """Return the check over all actions, refused too if one of an action is."""
    refused = [part.part for part in parts if part.outcome == "refused"]
    if not refused:
        return check
    return replace(check, outcome="refused", reason=f"{check.reason}; worse: {', '.join(refused)}")


def _not_measured(name: str, missing: Mapping[str, str], reason: str) -> Check:
    return Check(name, "", "not measured", missing.get(name, reason))


def _only_old(ones: Iterable[Judged | Alarm]) -> int:
    return sum(one.old and not one.new for one in ones)


def _only_new(ones: Iterable[Judged | Alarm]) -> int:
    return sum(one.new and not one.old for one in ones)


def _share(ones: Iterable[bool]) -> float:
    return float(np.mean(list(ones)))
