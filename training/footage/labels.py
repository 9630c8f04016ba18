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
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

OTHER = "other"
UNSURE = "unsure"
NOBODY = "nobody"
_SAME_INSTANT_S = 1e-3
_LEAST_EVERY_S = 0.01
_LONGEST_S = 1e6
_MOST_ERRORS = 12

Half = Literal["development", "test"]
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in the footage's own pixels."""


class LabelError(ValueError):
    """A label file is invalid; the message names the file and has one error per line."""


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
    """Read and check a label file. Raises `LabelError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabelError(f"{path}: can't be read ({error.strerror or error})") from error
    return parse_labels(content, str(path))


def parse_labels(content: bytes | str, where: str) -> ClipLabels:
    """Parse and check a label file's content; `where` names it in messages. Raises `LabelError`."""
    try:
        labels = msgspec.json.decode(content, type=ClipLabels)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LabelError(f"{where}: not a label file: {error}") from error
    errors = _errors_of_clip(labels) or [error for person in labels.people for error in _errors_of(person, labels)]
    if errors:
        more = [f"… and {len(errors) - _MOST_ERRORS} more"] if len(errors) > _MOST_ERRORS else []
        raise LabelError("\n  ".join([f"{where}:", *errors[:_MOST_ERRORS], *more]))
    return labels


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


def _errors_of_clip(labels: ClipLabels) -> list[str]:
    errors: list[str] = []
    if len(labels.sha256) != 64 or set(labels.sha256) - set("0123456789abcdef"):
        errors.append("sha256: must be 64 hex digits of the footage's hash")
    if min(labels.size) < 1:
        errors.append("size: must be the footage's [width, height] in pixels")
    if not 0 < labels.frame_rate < math.inf:
        errors.append("frame_rate: must be a positive number")
    if not _LEAST_EVERY_S <= labels.every <= _LONGEST_S:
        errors.append(f"every: must be at least {_LEAST_EVERY_S:g} seconds")
    for name, text in (("clip", labels.clip), ("labeller", labels.labeller)):
        if not text.strip():
            errors.append(f"{name}: must not be empty")
    for name, (start, end) in (("development", labels.development), ("test", labels.test)):
        if not 0 <= start <= end <= _LONGEST_S:
            errors.append(f"{name}: must be [start, end] in seconds, not [{start:g}, {end:g}]")
    if max(labels.development[0], labels.test[0]) < min(labels.development[1], labels.test[1]):
        errors.append("development and test: the halves overlap")
    if OTHER not in labels.labels or {UNSURE, NOBODY} & set(labels.labels):
        errors.append(f"labels: must list the actions and {OTHER}, without {UNSURE} and {NOBODY}")
    ids = [person.id for person in labels.people]
    errors += [f"person {id_}: there are two" for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1})]
    return errors


def _errors_of(person: Person, labels: ClipLabels) -> Iterable[str]:
    name = f"person {person.id}"
    width, height = labels.size
    known = (*labels.labels, UNSURE, NOBODY)
    if person.id < 1:
        yield f"{name}: ids count from 1"
    before = -math.inf
    for at in person.boxes:
        when = f"{name} at {at.time:g} s"
        if labels.half_of(at.time) is None:
            yield f"{when}: is in neither half"
            continue
        instant = _instant(at.time, labels.every)
        if abs(at.time - instant) > _SAME_INSTANT_S:
            yield f"{when}: instants are multiples of {labels.every:g} s"
        if instant <= before:
            yield f"{when}: boxes must be in order of time, one per instant"
        before = instant
        if not (0 <= at.x1 < at.x2 <= width and 0 <= at.y1 < at.y2 <= height):
            yield f"{when}: the box must be [x1, y1, x2, y2] with x1 < x2, y1 < y2, within {width}x{height}"
        covering = [span.label for span in person.spans if span.covers(at.time)]
        if len(covering) != 1:
            yield f"{when}: {'has no label' if not covering else 'has several labels: ' + ', '.join(covering)}"
    for span in person.spans:
        if span.label not in known:
            yield f"{name}: unknown label {span.label!r}; the labels are {', '.join(known)}"
        if not any(span.covers(at.time) for at in person.boxes):
            yield f"{name}: the span {span.first:g} to {span.last:g} s has no box in it"


def _instant(time: float, every: float) -> float:
    """Return the instant nearest to a time, always rounded the same way."""
    return round(round(time / every) * every, 3)
