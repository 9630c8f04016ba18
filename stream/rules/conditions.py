"""Conditions compiled for evaluation: trees that turn a person's signals, frame by frame, into a score or `NO`.

A condition's memory of a person is a list with one slot for each node that needs one; slots begin as None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream.rules.signals import Signal
from stream.settings.conditions import Condition, Range

NO = -1.0
"""The condition does not hold. Other values are scores from 0 to 1."""
DEFAULT_SCORE = 0.5
DEFAULT_PART_SCORE = 0.2
"""Parts with lower scores are not published by the packaged profiles."""
POSTURES: Mapping[str, tuple[float, float]] = {"upright": (0.0, 30.0), "leaning": (30.0, 60.0), "level": (60.0, 181.0)}
"""Angles of the trunk from upright, degrees: the first inclusive, the second exclusive."""
BRIDGED_US = 500_000
"""An interruption is bridged if it is shorter: single wrong labels do not end what a person does."""
UNSEEN_US = 3_000_000
"""A person or camera without results for longer is treated as new, because what happened meanwhile is unknown."""


@dataclass(slots=True)
class Run:
    """How long a condition has held. `add` is called for every frame in which it is known whether it holds."""

    since_us: int = 0
    """When it began to hold."""
    until_us: int | None = None
    """When it last held; None if it never did."""
    interrupted: bool = False
    """Whether it did not hold in a frame after `until_us`."""
    score: float = 0.0
    """The score with which it last held."""

    def add(self, holds: bool, media_us: int) -> None:
        """Add the next frame. After a long gap between frames, the caller starts a new run."""
        if holds:
            if self.until_us is None or (self.interrupted and media_us - self.until_us >= BRIDGED_US):
                self.since_us = media_us
            self.until_us, self.interrupted = media_us, False
        else:
            self.interrupted = True

    def lasted(self, least_us: int, media_us: int) -> bool:
        """Return whether it has held for `least_us` and still does. `media_us` is the time of the last frame added.

        With `least_us` of zero nothing is bridged: it must hold in the last frame.
        """
        if self.until_us is None or (self.interrupted and (not least_us or media_us - self.until_us >= BRIDGED_US)):
            return False
        return self.until_us - self.since_us >= least_us

    def over(self, media_us: int) -> bool:
        """Return whether the run has ended, so that the next time it holds starts a new one."""
        return self.until_us is None or (self.interrupted and media_us - self.until_us >= BRIDGED_US)


@dataclass(slots=True)
class _Steps:
    """The progress of one condition after another."""

    held: list[bool]
    """Whether each condition held in the last frame."""
    follows: list[bool]
    """Whether it did after those before it."""
    last_us: list[int | None]
    """When it last did, media time."""


Slots = list[Run | _Steps | None]


class Node(Protocol):
    """A compiled condition."""

    def score(self, signals: Sequence[float], slots: Slots, media_us: int) -> float:
        """Take the person's next frame. Return `NO`, or the score with which the condition holds."""
        ...

    def parts(self, signals: Sequence[float]) -> list[str]:
        """Return the parts whose conditions hold in this frame, in the order of the condition."""
        ...


@dataclass(frozen=True, slots=True)
class _Test:
    """A signal from `least` to `most`, both inclusive, whose score is that of `scored`, 1 without one."""

    signal: int
    least: float
    most: float
    scored: tuple[tuple[int, float], ...]
    """Signals that are scores, with the lowest that each needs; the smallest is the condition's score."""
    part: str

    def score(self, signals: Sequence[float], slots: Slots, media_us: int) -> float:
        if not self.least <= signals[self.signal] <= self.most:
            return NO
        score = 1.0
        for index, least in self.scored:
            value = signals[index]
            if value < least or value == 0.0:  # a score of 0 is that of something absent
                return NO
            if value < score:
                score = value
        return score

    def parts(self, signals: Sequence[float]) -> list[str]:
        return [self.part] if self.part and self.score(signals, [], 0) != NO else []


@dataclass(frozen=True, slots=True)
class _Combination:
    """All of the conditions, or any of them."""

    inside: tuple[Node, ...]
    every: bool
    remembers: bool
    """Whether all must be evaluated in every frame, because some remember what they saw."""

    def score(self, signals: Sequence[float], slots: Slots, media_us: int) -> float:
        lowest, highest = 1.0, NO
        for node in self.inside:
            score = node.score(signals, slots, media_us)
            if score > highest:
                highest = score
            if score < lowest:
                if score == NO and self.every and not self.remembers:
                    return NO
                lowest = score
        return lowest if self.every else highest

    def parts(self, signals: Sequence[float]) -> list[str]:
        return [part for node in self.inside for part in node.parts(signals)]


@dataclass(frozen=True, slots=True)
class _Not:
    inside: Node

    def score(self, signals: Sequence[float], slots: Slots, media_us: int) -> float:
        return 1.0 if self.inside.score(signals, slots, media_us) == NO else NO

    def parts(self, signals: Sequence[float]) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class For:
    """The condition has held for a time. While an interruption is bridged, the score is the last one."""

    inside: Node
    for_us: int
    slot: int

    def score(self, signals: Sequence[float], slots: Slots, media_us: int) -> float:
        score = self.inside.score(signals, slots, media_us)
        run = slots[self.slot]
        if run is None:
            if score == NO:
                return NO
            run = slots[self.slot] = Run()
        assert isinstance(run, Run)
        run.add(score != NO, media_us)
        if score != NO:
            run.score = score
        return run.score if run.lasted(self.for_us, media_us) else NO

    def since_us(self, slots: Slots) -> int:
        """Return when the condition began to hold, media time; it holds now."""
        run = slots[self.slot]
        assert isinstance(run, Run)
        return run.since_us

    def parts(self, signals: Sequence[float]) -> list[str]:
        return self.inside.parts(signals)


@dataclass(frozen=True, slots=True)
class _Then:
    """The conditions held one after another. A condition that follows the one before it may hold for any time.

    A condition follows another if it begins to hold in a later frame than one in which that held, soon enough: one that
    has held all the time follows nothing.
    """

    inside: tuple[Node, ...]
    within_us: int
    slot: int

    def score(self, signals: Sequence[float], slots: Slots, media_us: int) -> float:
        scores = [node.score(signals, slots, media_us) for node in self.inside]
        steps = slots[self.slot]
        if steps is None:
            count = len(scores)
            steps = slots[self.slot] = _Steps([False] * count, [False] * count, [None] * count)
        assert isinstance(steps, _Steps)
        held, follows, last_us = steps.held, steps.follows, steps.last_us
        index = len(scores)
        while index:  # from the last one, so that a step follows an earlier frame of the one before it
            index -= 1
            if scores[index] == NO:
                held[index] = follows[index] = False
                continue
            if not held[index]:
                before = last_us[index - 1] if index else media_us
                follows[index] = before is not None and media_us - before <= self.within_us
                held[index] = True
            if follows[index]:
                last_us[index] = media_us
        return scores[-1] if follows[-1] else NO

    def parts(self, signals: Sequence[float]) -> list[str]:
        return self.inside[-1].parts(signals)


def least_score(action: str, score: float | None, written: Container[str]) -> float:
    """Return the lowest score of an action that matches: `score` if it is set."""
    return score if score is not None else 0.0 if action in written else DEFAULT_SCORE


class Compiler:
    """Compiles conditions, and counts their slots."""

    def __init__(self, signal_index: Callable[[Signal], int], written: Container[str]) -> None:
        """`signal_index` returns the index of a signal in the values that nodes will get.

        `written`: the actions of the rules file. Their scores have been checked, so by default any is enough.
        """
        self.slots = 0
        self._index = signal_index
        self._written = written

    def node(self, condition: Condition, score: float | None = None) -> Node:
        """Return the compiled condition. `score` is the lowest score if the condition does not set one."""
        score = condition.score if condition.score is not None else score
        node = self._bare(condition, score)
        return For(node, condition.for_, self._slot()) if condition.for_ else node

    def _bare(self, condition: Condition, score: float | None) -> Node:
        slots = self.slots
        inside = tuple(self.node(one, score) for _, one in condition.inside())
        match condition.kind:
            case "all" | "any":
                return _Combination(inside, condition.kind == "all", self.slots > slots)
            case "not":
                return _Not(inside[0])
            case "then":
                assert condition.within is not None
                return _Then(inside, condition.within, self._slot())
            case "action":
                tests = tuple(
                    self._scored(Signal("action", "", name), least_score(name, score, self._written), "")
                    for name in condition.actions
                )
                return tests[0] if len(tests) == 1 else _Combination(tests, every=False, remembers=False)
            case _:
                return self._test(condition, score)

    def _test(self, condition: Condition, score: float | None) -> Node:
        part = condition.part or ""
        seen = DEFAULT_PART_SCORE if score is None else score
        match condition.kind:
            case "state":
                least = DEFAULT_SCORE if score is None else score
                return self._scored(Signal("state", part, condition.state or ""), least, part)
            case "holds":
                return self._measured(Signal("holds", part, condition.holds or ""), 1.0, math.inf, part, seen)
            case "near":
                signal = Signal("near", part, condition.near or "")
                return self._measured(signal, 0.0, condition.distance, part, seen, condition.near)
            case "near_object":
                signal = Signal("near_object", part, condition.near_object or "")
                return self._measured(signal, 0.0, condition.distance, part, seen)
            case "above":
                signal = Signal("above", part, condition.above or "")
                return self._measured(signal, condition.by, math.inf, part, seen, condition.above)
            case "posture":
                low, high = POSTURES[condition.posture or ""]
                return _Test(self._index(Signal("trunk")), low, math.nextafter(high, low), (), "")
            case "hips":
                return self._range(Signal("hips"), condition.hips)
            case _:
                return self._range(Signal("speed"), condition.speed)

    def _scored(self, signal: Signal, least: float, part: str) -> Node:
        index = self._index(signal)
        return _Test(index, 0.0, math.inf, ((index, least),), part)

    def _measured(
        self, signal: Signal, least: float, most: float, part: str, seen: float, other: str | None = None
    ) -> Node:
        scored = tuple((self._index(Signal("part", name)), seen) for name in (part, other) if name is not None)
        return _Test(self._index(signal), least, most, scored, part)

    def _range(self, signal: Signal, limits: Range | None) -> Node:
        assert limits is not None
        least = -math.inf if limits.at_least is None else limits.at_least
        most = math.inf if limits.at_most is None else limits.at_most
        return _Test(self._index(signal), least, most, (), "")

    def _slot(self) -> int:
        self.slots += 1
        return self.slots - 1
