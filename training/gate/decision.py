"""The decision whether a new checkpoint may replace an old one: from counts alone, without models or files.

Both checkpoints answer the same material, so that most tests are of pairs: of what only one of the two answered right,
half would be the new one's if both were equally good (an exact binomial test, one-sided).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from training.footage.segments.intervals import Interval, bootstrap_macro, clopper_pearson, macro, poisson_count

SIGNIFICANT = 0.05
"""A difference that is less likely than this by chance refuses the checkpoint."""
LEAST_LOST, LOST_SHARE = 2, 0.05
"""Losing at least this number and more than this share of an action's confirmed events (net) refuses the checkpoint."""
LEAST_INSTANTS = 20
"""Labelled instants below which an action of the footage is not judged by itself."""

CONFIRMED, HELD_OUT = "confirmed events", "confirmed events (held out)"
REPEATED, BACK_TEST = "false alarms (judged wrong)", "false alarms (back-test)"
FOOTAGE, FORGETTING = "footage", "forgetting"
REQUIRED = (CONFIRMED, REPEATED, BACK_TEST, FOOTAGE, FORGETTING)
"""The checks that a checkpoint must pass. `HELD_OUT` is part of the first, and there only if clips are held out."""

Outcome = Literal["passed", "refused", "not measured"]


class Judged(NamedTuple):
    """One verdict, and whether each checkpoint raises the verdict's action in its span.

    `label`: the true action of a confirmed event, or the wrong one that was named. `held_out`: not learned from.
    """

    label: str
    held_out: bool
    old: bool
    new: bool


class Alarms(NamedTuple):
    """Alarms outside confirmed spans over `hours` of videos. `what` names them."""

    what: str
    hours: float
    old: int
    new: int


class LabelledPerson(NamedTuple):
    """The labelled instants of one person of the footage with one action, and how many each checkpoint answers right.

    `unit` is what a bootstrap resamples."""

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
    """What both checkpoints did. Empty or None: not measured; `missing` then gives the reason by the check's name."""

    confirmed: Sequence[Judged] = ()
    wrong: Sequence[Judged] = ()
    alarms: Alarms | None = None
    footage: Sequence[LabelledPerson] = ()
    sequences: Mapping[str, Sequences] = field(default_factory=dict[str, Sequences])
    missing: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the decision. `part` is the action that it is about, "" for all.

    `old` and `new` are shares of `of`, or counts of alarms if `of` is None; `interval` is the 95 % interval of `old`.
    `hours`: of the videos in which alarms were counted.
    """

    name: str
    part: str
    outcome: Outcome
    reason: str
    of: int | None = None
    old: float | None = None
    new: float | None = None
    interval: Interval | None = None
    p: float | None = None
    hours: float | None = None


def decide(measured: Measured) -> list[Check]:
    """Return all checks, in the order of `REQUIRED`: of each, the one over all actions and then those of actions."""
    return [
        *_confirmed(measured.confirmed, measured.missing),
        _repeated(measured.wrong, measured.missing),
        _back_test(measured.alarms, measured.missing),
        *_footage(measured.footage, measured.missing),
        *_forgetting(measured.sequences, measured.missing),
    ]


def passed(checks: Iterable[Check], *, allow_unmeasured: bool = False) -> bool:
    """Return whether the checkpoint may be used. What was not measured refuses it, unless that is allowed."""
    allowed = {"passed", "not measured"} if allow_unmeasured else {"passed"}
    return all(check.outcome in allowed for check in checks)


def _confirmed(ones: Sequence[Judged], missing: Mapping[str, str]) -> Iterator[Check]:
    if not ones:
        yield _not_measured(CONFIRMED, missing, "no verdict confirms an event")
        return
    labels = sorted({one.label for one in ones})
    parts = [_confirmed_part(label, [one for one in ones if one.label == label]) for label in labels]
    yield _with_parts(_pairs(CONFIRMED, ones, "lost"), parts)
    yield from parts
    if held_out := [one for one in ones if one.held_out]:
        yield _pairs(HELD_OUT, held_out, "lost")


def _confirmed_part(label: str, ones: Sequence[Judged]) -> Check:
    lost = sum(one.old and not one.new for one in ones)
    gained = sum(one.new and not one.old for one in ones)
    refused = lost - gained >= LEAST_LOST and lost - gained > LOST_SHARE * len(ones)
    return Check(
        CONFIRMED,
        label,
        "refused" if refused else "passed",
        f"{lost} lost, {gained} gained" + (f": more than {LOST_SHARE:.0%}" if refused else ""),
        of=len(ones),
        old=_share(one.old for one in ones),
        new=_share(one.new for one in ones),
        interval=clopper_pearson(sum(one.old for one in ones), len(ones)),
    )


def _repeated(ones: Sequence[Judged], missing: Mapping[str, str]) -> Check:
    if not ones:
        return _not_measured(REPEATED, missing, "no verdict says that an event was wrong")
    return _pairs(REPEATED, ones, "new")


def _pairs(name: str, ones: Sequence[Judged], worse: Literal["lost", "new"]) -> Check:
    """Return the check of pairs over all actions. `worse`: whether what only OLD, or only NEW raises is the worse."""
    only_old = sum(one.old and not one.new for one in ones)
    only_new = sum(one.new and not one.old for one in ones)
    bad, good = (only_old, only_new) if worse == "lost" else (only_new, only_old)
    p = _worse_by_chance(bad, good)
    words = f"{only_old} lost, {only_new} gained" if worse == "lost" else f"{only_new} new, {only_old} gone"
    return Check(
        name,
        "",
        "refused" if p < SIGNIFICANT else "passed",
        f"{words}; p = {p:.2g}",
        of=len(ones),
        old=_share(one.old for one in ones),
        new=_share(one.new for one in ones),
        interval=clopper_pearson(sum(one.old for one in ones), len(ones)),
        p=p,
    )


def _back_test(alarms: Alarms | None, missing: Mapping[str, str]) -> Check:
    if alarms is None or not alarms.hours:
        return _not_measured(BACK_TEST, missing, "no video could be watched")
    # Of two Poisson counts over the same time, the second is binomial given their sum, with a half if the rates agree.
    p = _worse_by_chance(alarms.new, alarms.old)
    return Check(
        BACK_TEST,
        "",
        "refused" if p < SIGNIFICANT else "passed",
        f"{alarms.what} outside confirmed spans; p = {p:.2g}",
        old=alarms.old,
        new=alarms.new,
        interval=poisson_count(alarms.old),
        p=p,
        hours=alarms.hours,
    )


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
    parts = list[Check]()
    for action, total, before, after in zip(actions, of.sum(0), old.sum(0), new.sum(0), strict=True):
        interval = clopper_pearson(int(before), int(total))
        if interval is None or total < LEAST_INSTANTS:
            continue
        share = float(after / total)
        parts.append(_below(FOOTAGE, action, int(total), float(before / total), share, interval))
    before, after, interval = macro(old.sum(0), of.sum(0)), macro(new.sum(0), of.sum(0)), bootstrap_macro(old, of)
    if before is None or after is None or interval is None:
        yield _not_measured(FOOTAGE, missing, "fewer than two people are labelled")
        return
    yield _with_parts(_below(FOOTAGE, "", int(of.sum()), before, after, interval), parts)
    yield from parts


def _below(name: str, part: str, of: int, old: float, new: float, interval: Interval) -> Check:
    refused = new < interval.low
    reason = f"{'below' if refused else 'not below'} the interval of OLD"
    return Check(name, part, "refused" if refused else "passed", reason, of, old, new, interval)


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
            "refused" if p < SIGNIFICANT else "passed",
            f"{one.lost} lost, {one.gained} gained; p = {p:.2g}, corrected",
            of=one.shown,
            old=one.old / one.shown,
            new=one.new / one.shown,
            interval=clopper_pearson(one.old, one.shown),
            p=p,
        )
        for p, (action, one) in zip(corrected, counted.items(), strict=True)
    ]
    count, old, new = (sum(getattr(one, name) for one in counted.values()) for name in ("shown", "old", "new"))
    whole = Check(
        FORGETTING,
        "",
        "passed",
        f"{len(parts)} actions; least p = {min(corrected):.2g}",
        of=count,
        old=old / count,
        new=new / count,
        interval=clopper_pearson(old, count),
    )
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
    return float(stats.binomtest(bad, bad + good, 0.5, alternative="greater").pvalue)


def _with_parts(check: Check, parts: Sequence[Check]) -> Check:
    """Return the check over all actions, refused too if one of an action is."""
    refused = [part.part for part in parts if part.outcome == "refused"]
    if not refused:
        return check
    return replace(check, outcome="refused", reason=f"{check.reason}; worse: {', '.join(refused)}")


def _not_measured(name: str, missing: Mapping[str, str], reason: str) -> Check:
    return Check(name, "", "not measured", missing.get(name, reason))


def _share(ones: Iterable[bool]) -> float:
    return float(np.mean(list(ones)))
