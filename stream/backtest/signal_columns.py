"""Signals from an archive's columns: the same numbers as `stream.rules.signals.signals_of` gives, for many people.

Archives hold 32-bit numbers. Rounded in 64 bits to as many digits as published, they equal the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream.rules.signals import ANY_OBJECT, Kind, Signal

Values = NDArray[np.float64]
Indices = NDArray[np.int64]
SCORE_DIGITS, PIXEL_DIGITS, MEASURE_DIGITS = 4, 1, 2
_BOX = ("x1", "y1", "x2", "y2")


def published(column: pa.Array, digits: int) -> Values:
    """Return 32-bit numbers as they were published; NaN for null."""
    return np.round(column.cast(pa.float64()).to_numpy(zero_copy_only=False), digits)


@dataclass(frozen=True)
class Labels:
    """A column of labels as numbers; -1 for null."""

    codes: Indices
    numbers: Mapping[str, int]

    @staticmethod
    def of(column: pa.Array) -> Labels:
        """Return the labels of a column of strings."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        return Labels(codes, {label: number for number, label in enumerate(encoded.dictionary.to_pylist())})

    def are(self, label: str) -> NDArray[np.bool_]:
        """Return which rows have this label: bool [rows]."""
        return self.codes == self.numbers.get(label, -2)


@dataclass(frozen=True)
class Lists:
    """The lists of structures in a column, joined: the row of each element, and the elements' fields."""

    rows: Indices
    fields: Mapping[str, pa.Array]

    @staticmethod
    def of(column: pa.Array) -> Lists:
        """Return the elements of a column of lists."""
        flat = column.flatten()
        names = [flat.type.field(index).name for index in range(flat.type.num_fields)]
        rows = column.value_parent_indices().cast(pa.int64()).to_numpy(zero_copy_only=False)
        return Lists(rows, dict(zip(names, flat.flatten(), strict=True)))


@dataclass(frozen=True)
class _Parts:
    """The parts of all people, in one column."""

    lists: Lists
    people: int

    @cached_property
    def names(self) -> Labels:
        return Labels.of(self.lists.fields["part"])

    @cached_property
    def scores(self) -> Values:
        return published(self.lists.fields["score"], SCORE_DIGITS)

    @cached_property
    def holds(self) -> Labels:
        return Labels.of(self.lists.fields["holds"])

    @cached_property
    def middles(self) -> tuple[Values, Values]:
        x1, y1, x2, y2 = (published(self.lists.fields[side], PIXEL_DIGITS) for side in _BOX)
        return (x1 + x2) / 2, (y1 + y2) / 2

    @cached_property
    def states(self) -> tuple[Indices, Labels, Values]:
        states = Lists.of(self.lists.fields["states"])
        return states.rows, Labels.of(states.fields["label"]), published(states.fields["score"], SCORE_DIGITS)

    def places(self, part: str) -> Indices:
        """Return the place of each person's part in these columns; -1 if it is not visible: int64 [people]."""
        places = np.full(self.people, -1, np.int64)
        found = np.flatnonzero(self.names.are(part))
        places[self.lists.rows[found]] = found
        return places

    def state_scores(self, state: str) -> Values:
        """Return the score of a state of each part; 0 if the part does not have it."""
        rows, labels, scores = self.states
        scored = np.zeros(len(self.lists.rows))
        found = np.flatnonzero(labels.are(state))[::-1]  # so that the first of two counts
        scored[rows[found]] = scores[found]
        return scored


@dataclass(frozen=True)
class Objects:
    """The objects of all frames, in the order of the frames: boxes are float64 [objects, 4]."""

    frames: Indices
    labels: Labels
    boxes: Values

    @staticmethod
    def of(objects: pa.Array, boxes: pa.Array) -> Objects:
        """Return the objects in the columns `objects` and `object_boxes` of frames."""
        lists = Lists.of(objects)
        numbers = published(boxes.flatten().flatten(), PIXEL_DIGITS)
        return Objects(lists.rows, Labels.of(lists.fields["label"]), numbers.reshape(-1, 4))


class SignalColumns:
    """Signals of people, from the columns of the table `people`, of which those needed must be there.

    `frames`: the frame of each person, for objects; int64 [people].
    """

    def __init__(self, people: Mapping[str, pa.Array], count: int, frames: Indices, objects: Objects | None) -> None:
        self._people = people
        self._count = count
        self._frames = frames
        self._objects = objects
        self._readers: Mapping[Kind, Callable[[Signal], Values]] = {
            "action": self._action,
            "state": self._state,
            "part": self._part,
            "holds": self._holds,
            "near": self._near,
            "near_object": self._near_object,
            "above": self._above,
            "trunk": lambda signal: published(people["trunk"], 0),
            "hips": lambda signal: published(people["hips"], MEASURE_DIGITS),
            "speed": lambda signal: published(people["speed"], MEASURE_DIGITS),
        }

    def values(self, signals: Sequence[Signal]) -> list[list[float]]:
        """Return the values of `signals`, in order, of each person."""
        if not signals:
            return [[] for _ in range(self._count)]
        return np.stack([self._readers[signal.kind](signal) for signal in signals], axis=1).tolist()

    @cached_property
    def _actions(self) -> tuple[Labels, Values]:
        return Labels.of(self._people["action"]), published(self._people["action_score"], SCORE_DIGITS)

    @cached_property
    def _parts(self) -> _Parts:
        return _Parts(Lists.of(self._people["parts"]), self._count)

    @cached_property
    def _statures(self) -> Values:
        """NaN if there is none to divide by."""
        statures = published(self._people["stature"], PIXEL_DIGITS)
        return np.where(statures == 0, np.nan, statures)

    def _action(self, signal: Signal) -> Values:
        labels, scores = self._actions
        return np.where(labels.are(signal.name), scores, 0.0)

    def _state(self, signal: Signal) -> Values:
        return self._of_part(signal.part, self._parts.state_scores(signal.name))

    def _part(self, signal: Signal) -> Values:
        return self._of_part(signal.part, self._parts.scores)

    def _holds(self, signal: Signal) -> Values:
        held = self._parts.holds
        matches = held.codes >= 0 if signal.name == ANY_OBJECT else held.are(signal.name)
        return self._of_part(signal.part, matches.astype(float))

    def _near(self, signal: Signal) -> Values:
        (x, y), (other_x, other_y) = self._middle(signal.part), self._middle(signal.name)
        distances = np.sqrt((x - other_x) * (x - other_x) + (y - other_y) * (y - other_y)) / self._statures
        return np.where(np.isnan(distances), np.inf, distances)

    def _above(self, signal: Signal) -> Values:
        heights = (self._middle(signal.name)[1] - self._middle(signal.part)[1]) / self._statures
        return np.where(np.isnan(heights), -np.inf, heights)

    def _near_object(self, signal: Signal) -> Values:
        nearest = np.full(self._count, np.inf)
        if self._objects is None:
            return nearest
        found = np.flatnonzero(self._objects.labels.are(signal.name))
        frames, boxes = self._objects.frames[found], self._objects.boxes[found]
        first, end = frames.searchsorted(self._frames), frames.searchsorted(self._frames, "right")
        counts = end - first
        people = np.repeat(np.arange(self._count), counts)
        # Of each person, the objects from `first` on.
        at = np.arange(len(people)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
        x, y = (axis[people] for axis in self._middle(signal.part))
        x1, y1, x2, y2 = boxes[at].T
        across = np.maximum(np.maximum(x1 - x, x - x2), 0.0)
        down = np.maximum(np.maximum(y1 - y, y - y2), 0.0)
        distances = np.sqrt(across * across + down * down) / self._statures[people]
        known = ~np.isnan(distances)
        np.minimum.at(nearest, people[known], distances[known])
        return nearest

    def _of_part(self, part: str, of_parts: Values) -> Values:
        """Return a number of each person's part; 0 if it is not visible."""
        places = self._parts.places(part)
        return np.where(places >= 0, of_parts[places], 0.0) if len(of_parts) else np.zeros(self._count)

    def _middle(self, part: str) -> tuple[Values, Values]:
        """Return the middle of each person's part; NaN if it is not visible."""
        places = self._parts.places(part)
        x, y = self._parts.middles
        if not len(x):
            return np.full(self._count, np.nan), np.full(self._count, np.nan)
        return np.where(places >= 0, x[places], np.nan), np.where(places >= 0, y[places], np.nan)
