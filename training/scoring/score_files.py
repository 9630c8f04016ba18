"""Files that `partstream footage score --data DIR --json FILE` writes, as far as confusion of actions needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from training.scoring.confusion_tables import ConfusionTable, Counted, SetConfusion, pooled
from training.scoring.film_sets import ScoringError
from training.sources.terms import read_bounded

_LARGEST_BYTES = 64 << 20
_MOST_NAMES = 200
"""Labels and answers of a picture; more could not be read."""

Count = Annotated[int, Meta(ge=0, le=2**40)]


class _Action(msgspec.Struct):
    units: Count


class _Figures(msgspec.Struct):
    confusion: dict[str, dict[str, Count]]
    actions: dict[str, _Action]


class _Sequences(msgspec.Struct):
    last_step: _Figures


class _Scores(msgspec.Struct):
    profile: str
    weights: str
    vocabulary: tuple[str, ...]
    films: dict[str, _Figures]
    sequences: dict[str, _Sequences]


@dataclass(frozen=True, slots=True)
class ScoreFile:
    """The confusion of each scored set, of a checkpoint with these weights (SHA-256) and actions."""

    path: Path
    profile: str
    weights: str
    vocabulary: tuple[str, ...]
    sets: tuple[SetConfusion, ...]

    def table(self, names: Sequence[str] | None = None) -> ConfusionTable:
        """Return the sets of these names together. None: all sets of videos, or without any, all of sequences.

        Raises `ScoringError` for a name that is no set of the file, for sets of videos and of sequences together, for
        more actions than a picture can show, and if no frame is labelled.
        """
        if names is None:
            videos = [one for one in self.sets if one.counted == "frames"]
            chosen = videos or list(self.sets)
        else:
            chosen = [self._named(name) for name in dict.fromkeys(names)]
        if not chosen:
            raise ScoringError(f"{self.path}: holds no scored set")
        if len({one.counted for one in chosen}) > 1:
            kinds = {one.name: "videos" if one.counted == "frames" else "sequences" for one in chosen}
            listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            raise ScoringError(f"sets of videos and of sequences cannot be drawn together: {listed}; choose one kind")
        table = pooled(chosen, self.vocabulary)
        if table is None:
            raise ScoringError(f"{self.path}: no frame of {', '.join(one.name for one in chosen)} is labelled")
        if len(table.answers) > _MOST_NAMES:
            raise ScoringError(f"{self.path}: has {len(table.answers)} actions; a picture can hold {_MOST_NAMES}")
        return table

    def _named(self, name: str) -> SetConfusion:
        found = next((one for one in self.sets if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in self.sets) or "none"
            raise ScoringError(f"{self.path}: has no set {name!r}; its sets are {known}")
        return found


def read_score_file(path: Path) -> ScoreFile:
    """Read a file of scores.

    Raises `ScoringError` for a file of something else, and `DataFolderError` if it cannot be read or is too large.
    """
    content = read_bounded(path, _LARGEST_BYTES)
    try:
        scores = msgspec.json.decode(content, type=_Scores)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ScoringError(
            f"{path}: is not a file of `partstream footage score --data DIR --json FILE` ({error})"
        ) from None
    sets = [_confusion(name, "frames", one) for name, one in scores.films.items()]
    sets += [_confusion(name, "last steps", one.last_step) for name, one in scores.sequences.items()]
    return ScoreFile(path, scores.profile, scores.weights, scores.vocabulary, tuple(sets))


def _confusion(name: str, counted: Counted, figures: _Figures) -> SetConfusion:
    units = {label: action.units for label, action in figures.actions.items()}
    return SetConfusion(name, counted, figures.confusion, units)
