"""Labels of real footage by human labellers: people's boxes and actions over time.

There is one JSON file per clip and labeller, `training/footage/<clip>.<labeller>.json`. It names the footage by asset,
file and SHA-256, divides it by time into a development and a test half, and holds people: a box at every labelled
instant, and spans of instants with a label. Instants are `every` seconds apart, and each stands for that many
person-seconds.

    {"clip": "vtest", "asset": "vtest", "file": "vtest.avi", "sha256": "45cd…", "size": [768, 576],
     "frame_rate": 10.0, "every": 1.0, "labeller": "a", "development": [0.0, 40.0], "test": [40.0, 79.5],
     "labels": ["walk", "stand", "other"],
     "people": [{"id": 1, "boxes": [[0.0, 310, 95, 352, 210], [1.0, 318, 97, 360, 212]],
                 "spans": [[0.0, 1.0, "walk"]]}]}

A span is [first instant, last instant, label], inclusive. Besides the file's own labels there are `unsure` (a person
whose action is unclear: not scored) and `nobody` (the box holds no person: ignored). `training.scoring.clips`
scores them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

OTHER = "other"
UNSURE = "unsure"
NOBODY = "nobody"
_SAME_INSTANT_S = 1e-3

Half = Literal["development", "test"]
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in the footage's own pixels."""


class LabelError(ValueError):
    """A label file cannot be used; the message names the file."""


class BoxAt(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One person's box at one instant: [time, x1, y1, x2, y2]."""

    time: float
    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def box(self) -> Box:
        return (self.x1, self.y1, self.x2, self.y2)


class Span(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person's action between two instants, inclusive: [first, last, label]."""

    first: float
    last: float
    label: str

    def covers(self, time: float) -> bool:
        return self.first - _SAME_INSTANT_S <= time <= self.last + _SAME_INSTANT_S


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person, or one track of a detector: `id` from 1, boxes in order of time."""

    id: int
    boxes: tuple[BoxAt, ...]
    spans: tuple[Span, ...]

    def label_at(self, time: float) -> str | None:
        """Return the person's label at that instant, None without a span."""
        return next((span.label for span in self.spans if span.covers(time)), None)


class ClipLabels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One labeller's labels of one clip; times in seconds of media time, boxes in pixels of `size` (width, height)."""

    clip: str
    asset: str
    file: str
    sha256: str
    size: tuple[int, int]
    frame_rate: float
    every: float
    labeller: str
    development: tuple[float, float]
    test: tuple[float, float]
    labels: tuple[str, ...]
    people: tuple[Person, ...]

    def half_of(self, time: float) -> Half | None:
        """Return the half that an instant belongs to; a half does not include its end."""
        halves: tuple[tuple[Half, tuple[float, float]], ...] = (("development", self.development), ("test", self.test))
        return next((name for name, (start, end) in halves if start <= time + _SAME_INSTANT_S < end), None)


class Labelled(NamedTuple):
    """One person at one instant."""

    person: int
    time: float
    box: Box
    label: str


def read_labels(path: Path) -> ClipLabels:
    """Read a label file. Raises `LabelError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: can't be read ({error.strerror or error})") from error
    return parse_labels(content, str(path))


def parse_labels(content: bytes | str, where: str) -> ClipLabels:
    """Parse a label file's content; `where` names it in messages. Raises `LabelError`."""
    try:
        return msgspec.json.decode(content, type=ClipLabels)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LabelError(f"{where}: not a label file: {error}") from error


def times(labels: ClipLabels, half: Half) -> list[float]:
    """Return the instants of one half in seconds, with or without people."""
    last = math.ceil(max(labels.development[1], labels.test[1]) / labels.every)
    every = (_instant(k * labels.every, labels.every) for k in range(last + 1))
    return [time for time in every if labels.half_of(time) == half]


def instants(labels: ClipLabels, half: Half | None = None) -> list[Labelled]:
    """Return all people at every labelled instant of one half, or of both, by time and person, without `nobody`."""
    found: list[Labelled] = []
    for person in labels.people:
        for at in person.boxes:
            label = person.label_at(at.time)
            if label is not None and label != NOBODY and half in (None, labels.half_of(at.time)):
                found.append(Labelled(person.id, _instant(at.time, labels.every), at.box, label))
    return sorted(found, key=lambda one: (one.time, one.person))


def _instant(time: float, every: float) -> float:
    """Return the instant nearest to a time, always rounded the same way."""
    return round(round(time / every) * every, 3)
