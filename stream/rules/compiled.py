"""A rules file compiled for evaluation: the signals it needs, its written actions and its rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from stages.settings import Section
from stream.rules.conditions import Compiler, Node, least_score
from stream.rules.hours import Hours
from stream.rules.signals import Signal
from stream.settings.rules import RuleConfig, RulesConfig

Meaning = bytes
"""A digest of settings, and of those that they refer to."""


@dataclass(frozen=True, slots=True)
class WrittenAction:
    """A written action. `index` is that of its score in a person's values."""

    name: str
    index: int
    node: Node
    slots: slice
    """Those of a person's memory that are its own."""
    meaning: Meaning
    """Actions of two files with equal meanings answer the same, and have the same slots in the same order."""


@dataclass(frozen=True, slots=True)
class WantedAction:
    """An action of a rule: its name, the index of its score in a person's values, and the lowest that matches."""

    name: str
    index: int
    least: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. It matches any of `actions`; without any, every person."""

    name: str
    config: RuleConfig
    actions: tuple[WantedAction, ...]
    hours: Hours | None
    meaning: Meaning
    """Everything its answers depend on: rules of two files with equal meanings answer the same."""

    def applies_to(self, camera: str) -> bool:
        """Return whether the rule is for this camera."""
        return self.config.cameras is None or camera in self.config.cameras


class CompiledRules:
    """A compiled rules file. It has no memory, so that the evaluators of all cameras share it.

    A person's values are the scores of the written actions, in the order of `written`, then the values of `signals`.
    """

    def __init__(self, config: RulesConfig) -> None:
        self.config = config
        order = config.written_order()
        self._indices = {Signal("action", "", name): index for index, name in enumerate(order)}
        self._meanings: dict[str, Meaning] = {}
        for name in order:
            action = config.actions[name]
            used = sorted({used for _, one in action.walk("") for used in one.actions})
            self._meanings[name] = self._meaning(action, used)
        compiler = Compiler(self._index, config.actions)
        self.written = tuple(self._action(name, index, compiler) for index, name in enumerate(order))
        self.slots = compiler.slots
        """Slots of a person's memory."""
        self.rules = tuple(self._rule(name, rule) for name, rule in config.rules.items())
        self.signals = tuple(self._indices)[len(order) :]
        """What must be known of each person, beside zones and lines."""

    def _rule(self, name: str, rule: RuleConfig) -> Rule:
        config = self.config
        actions = tuple(
            WantedAction(
                action, self._index(Signal("action", "", action)), least_score(action, rule.score, config.actions)
            )
            for action in rule.actions
        )
        hours = None if rule.hours is None else Hours(rule.hours, config.time_zone or "")
        meaning = self._meaning(rule, rule.actions, config.time_zone if hours is not None else None)
        return Rule(name, rule, actions, hours, meaning)

    def _action(self, name: str, index: int, compiler: Compiler) -> WrittenAction:
        first = compiler.slots
        node = compiler.node(self.config.actions[name])
        return WrittenAction(name, index, node, slice(first, compiler.slots), self._meanings[name])

    def _meaning(self, settings: Section, actions: Iterable[str], *more: object) -> Meaning:
        """Return the digest of settings that refer to these actions, of which the written ones have their digests."""
        used = {name: self._meanings[name].hex() for name in actions if name in self._meanings}
        return hashlib.sha256(repr((settings.model_dump_json(by_alias=True), used, more)).encode()).digest()

    def _index(self, signal: Signal) -> int:
        return self._indices.setdefault(signal, len(self._indices))
