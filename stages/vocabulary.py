"""Vocabularies: the parts, part states and actions that a model knows, and the words for each.

A vocabulary is data, stored in the checkpoint whose outputs it names; no size is fixed in code. The state outputs are a
table [parts, states]. Each column is a (verb, object) pair, and a mask gives the columns of each part, because a state
can be seen with certain parts only (tiptoe: feet; hold: hands). See docs/method.md, "Vocabulary".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np

PARTS: tuple[str, ...] = (
    "head",
    "left_arm",
    "right_arm",
    "left_hand",
    "right_hand",
    "hip",
    "left_leg",
    "right_leg",
    "left_foot",
    "right_foot",
)
"""The body parts in the order in which the part graph reads them."""

STILL = "none"
"""The state of a part that does not move: an output like any other, but never published."""

NO_OBJECT = "something"
"""The word used in the language priors for a part state without an object."""


class VocabularyError(ValueError):
    """A vocabulary cannot be used; the message gives the field and advice."""


@dataclass(frozen=True, slots=True)
class State:
    """A state of a body part: a verb and optionally its object."""

    verb: str
    object: str | None = None

    @property
    def label(self) -> str:
        """The name in results and data: `hold`, or `hold cup`."""
        return self.verb if self.object is None else f"{self.verb} {self.object}"

    @staticmethod
    def parse(label: str) -> State:
        """Return the state of a label; the first space separates verb and object."""
        verb, _, object = label.partition(" ")
        return State(verb, object or None)


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    """A vocabulary in its file."""

    parts: tuple[str, ...]
    states: tuple[str, ...]
    states_of: dict[str, tuple[str, ...]]
    actions: tuple[str, ...]
    words: dict[str, str] = {}
    ignored_verbs: tuple[str, ...] = ("others",)


@dataclass(frozen=True)
class Vocabulary:
    """Parts, states, the states of each part, actions, and words."""

    parts: tuple[str, ...]
    """In the order of the part graph."""
    states: tuple[State, ...]
    """The columns of the state outputs."""
    states_of: Mapping[str, tuple[str, ...]]
    """Part → labels of its states."""
    actions: tuple[str, ...]
    """The action outputs."""
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    """Label → words, for labels whose words are not simply the label with spaces for underscores."""
    ignored_verbs: tuple[str, ...] = ("others",)
    """Verbs of annotations that stand for no known state; such states are not training targets."""

    def __post_init__(self) -> None:
        for name, labels in (
            ("parts", self.parts),
            ("states", [state.label for state in self.states]),
            ("actions", self.actions),
        ):
            if not labels:
                raise VocabularyError(f"vocabulary: `{name}` is empty; it needs at least one label")
            repeated = sorted(label for label, times in Counter(labels).items() if times > 1)
            if repeated:
                raise VocabularyError(f"vocabulary: `{name}` lists {', '.join(repeated)} more than once")
        known = {state.label for state in self.states}
        if set(self.states_of) != set(self.parts):
            raise VocabularyError("vocabulary: `states_of` must have one entry for each of `parts`, and no other")
        for part, labels in self.states_of.items():
            unknown = sorted(set(labels) - known)
            if unknown or not labels:
                raise VocabularyError(
                    f"vocabulary: states_of.{part} must list some of `states`"
                    + (f"; unknown: {unknown}" if unknown else "")
                )
        ignored = sorted(verb for verb in self.ignored_verbs if any(state.verb == verb for state in self.states))
        if ignored:
            raise VocabularyError(f"vocabulary: {', '.join(ignored)} can't be both a state and in `ignored_verbs`")

    @property
    def state_labels(self) -> tuple[str, ...]:
        """Labels of the state columns, in order."""
        return tuple(state.label for state in self.states)

    def part_index(self, part: str) -> int:
        """Return the row of a part. Raises `VocabularyError` for an unknown one."""
        return _index(self.parts, part, "part")

    def state_index(self, label: str) -> int:
        """Return the column of a state. Raises `VocabularyError` for an unknown one."""
        return _index(self.state_labels, label, "state")

    def action_index(self, label: str) -> int:
        """Return the output of an action. Raises `VocabularyError` for an unknown one."""
        return _index(self.actions, label, "action")

    def mask(self) -> np.ndarray:
        """Return the columns of each part: bool [parts, states]."""
        mask = np.zeros((len(self.parts), len(self.states)), dtype=bool)
        for row, part in enumerate(self.parts):
            for label in self.states_of[part]:
                mask[row, self.state_index(label)] = True
        return mask

    def pairs(self) -> list[tuple[str, State]]:
        """Return every (part, state) that is an output, part by part, in column order."""
        mask = self.mask()
        return [
            (part, state)
            for row, part in enumerate(self.parts)
            for column, state in enumerate(self.states)
            if mask[row, column]
        ]

    def words_of(self, label: str) -> str:
        """Return the words for a part, verb, object or action."""
        return self.words.get(label, label.replace("_", " "))

    def triple(self, part: str, state: State) -> tuple[str, str, str]:
        """Return the words of a part state for the language priors: (part, verb, object or "something")."""
        return (
            self.words_of(part),
            self.words_of(state.verb),
            NO_OBJECT if state.object is None else self.words_of(state.object),
        )

    def to_json(self) -> str:
        """Return canonical JSON: equal vocabularies give equal text."""
        content = {
            "parts": self.parts,
            "states": self.state_labels,
            "states_of": {part: self.states_of[part] for part in self.parts},
            "actions": self.actions,
            "words": dict(sorted(self.words.items())),
            "ignored_verbs": self.ignored_verbs,
        }
        return json.dumps(content, ensure_ascii=False, indent=1)

    def sha256(self) -> str:
        """Return the hex hash of the canonical JSON, which ties language priors to their vocabulary."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @staticmethod
    def from_json(text: str, where: str = "vocabulary") -> Vocabulary:
        """Return the vocabulary in the JSON of `to_json`. Raises `VocabularyError` with `where` and the field."""
        try:
            content = msgspec.json.decode(text, type=_Stored)
        except (msgspec.DecodeError, RecursionError) as error:
            raise VocabularyError(f"{where}: {error}") from None
        try:
            return Vocabulary(
                parts=content.parts,
                states=tuple(map(State.parse, content.states)),
                states_of=content.states_of,
                actions=content.actions,
                words=content.words,
                ignored_verbs=content.ignored_verbs,
            )
        except VocabularyError as error:
            raise VocabularyError(f"{where}: {error}") from None

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Return the vocabulary in a file. Raises `VocabularyError` if it cannot be read or used."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise VocabularyError(f"{path}: can't be read: {error.strerror}") from None
        return Vocabulary.from_json(text, str(path))


def packaged(name: str) -> Vocabulary:
    """Return the vocabulary in `stages/vocabularies/<name>.json`, for example `edge`."""
    file = resources.files("stages").joinpath("vocabularies", f"{name}.json")
    if not file.is_file():
        raise VocabularyError(f"no vocabulary {name!r} is packaged; give a file instead")
    return Vocabulary.from_json(file.read_text(encoding="utf-8"), f"vocabularies/{name}.json")


def _index(labels: tuple[str, ...], label: str, kind: str) -> int:
    try:
        return labels.index(label)
    except ValueError:
        raise VocabularyError(f"unknown {kind} {label!r}; known: {', '.join(labels)}") from None
