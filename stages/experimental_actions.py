"""Experimental actions of a checkpoint: those that are too often wrong on real video (docs/footage.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from stages.vocabulary import Vocabulary, VocabularyError

KEY = "experimental"
"""Key of a checkpoint's metadata: a JSON list of actions. Older checkpoints lack it."""
_SHOWN = 100
"""Characters of a wrong value that a message repeats."""


def experimental_actions(names: object, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return a list's actions once each, in the vocabulary's order.

    Raises `VocabularyError` if it is not a list of the vocabulary's actions.
    """
    if not isinstance(names, list):
        raise VocabularyError(f"{KEY}: {repr(names)[:_SHOWN]} is not a list of actions")
    known = {name: index for index, name in enumerate(vocabulary.actions)}
    chosen: set[int] = set()
    for name in cast("list[object]", names):
        if not isinstance(name, str) or name not in known:
            raise VocabularyError(
                f"{KEY}: unknown action {repr(name)[:_SHOWN]}; known: {', '.join(vocabulary.actions)}"
            )
        chosen.add(known[name])
    return tuple(vocabulary.actions[index] for index in sorted(chosen))


def stored_actions(metadata: Mapping[str, str], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the experimental actions in a checkpoint's metadata. Raises `VocabularyError`."""
    try:
        names = json.loads(metadata.get(KEY, "[]"))
    except (ValueError, RecursionError):
        raise VocabularyError(f"{KEY}: is not a list of actions as JSON; `partstream weights mark` writes it") from None
    return experimental_actions(names, vocabulary)
