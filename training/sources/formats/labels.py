"""From a source's own names of activities to actions of a data folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from training.sources.formats.body import FormatError, read_mapping
from training.synthetic.motion.movement import ACTIONS

Pairs = Sequence[tuple[str, str]]
"""(pattern, action): `*` and `?` in a pattern stand for any letters; the action is "" for no label."""
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,39}")


def parse_pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of texts such as `waveHands=wave`, or `push=` for no label. Raises `FormatError`."""
    found: list[tuple[str, str]] = []
    for text in texts:
        pattern, sign, action = text.rpartition("=")
        if not sign or not pattern:
            raise FormatError(f"--label {text!r} must be NAME=ACTION, such as waveHands=wave, or NAME= for no label")
        found.append((pattern, checked(action, f"--label {text!r}")))
    return found


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of a YAML or JSON file with lines `waveHands: wave`, null for no label. Raises `FormatError`."""
    content = read_mapping(path, " of the source's names to actions, such as `waveHands: wave`")
    found: list[tuple[str, str]] = []
    for pattern, action in content.items():
        if action is not None and not isinstance(action, str):
            raise FormatError(f"{path}: {pattern}: must be an action's name or null")
        found.append((str(pattern), checked(action or "", f"{path}: {pattern}")))
    return found


def checked(action: str, where: str) -> str:
    """Return the action's name if it can be one, or "". Raises `FormatError`."""
    if action and not _ACTION.fullmatch(action):
        raise FormatError(f"{where}: {action[:40]!r} must be lower-case letters, digits and _, such as pick_up")
    return action


class Labels:
    """Maps names to actions by the first fitting pattern, and remembers what was asked.

    A name that no pattern fits is its own action if it is one of the 24. `unlabelled` counts the names without an
    action that no pattern mentions; `used` has the others that have an action.
    """

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = list(pairs)
        self.unlabelled: Counter[str] = Counter()
        self.used: dict[str, str] = {}

    def action(self, name: str) -> str:
        """Return the action of a source's name, "" if it has none."""
        if name in self.used:
            return self.used[name]
        own = name if name in ACTIONS else None
        action = next((action for pattern, action in self._pairs if fnmatchcase(name, pattern)), own)
        if action is None:
            self.unlabelled[name] += 1
        elif action:
            self.used[name] = action
        return action or ""

    def actions(self) -> tuple[str, ...]:
        """Return the 24 actions and, after them, new ones that were used."""
        return (*ACTIONS, *sorted(set(self.used.values()) - set(ACTIONS)))

    def mapping(self) -> Mapping[str, str]:
        """Return the names that got an action, with it."""
        return dict(sorted(self.used.items()))


def matched(pattern: re.Pattern[str] | None, text: str) -> str:
    """Return what a pattern's first group (or the whole pattern) finds in a text, "" without a find."""
    found = pattern.search(text) if pattern is not None else None
    if found is None:
        return ""
    return (found[1] if found.re.groups else found[0]) or ""


def compiled(expression: str | None, option: str) -> re.Pattern[str] | None:
    """Return a regular expression given for an option, None without one. Raises `FormatError`."""
    if expression is None:
        return None
    try:
        return re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise FormatError(f"{option} {expression!r} is not a regular expression: {error}") from None
