"""Archives as the results of a back-test: frames and people are joined, and people are made of the columns needed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from stream.backtest.archive_tables import (
    COLUMNS,
    FIELDS_OF_PARTS,
    Rows,
    check_parts,
    coded,
    files_of,
    read_row,
    read_rows,
)
from stream.backtest.archived_holes import read_holes, with_holes
from stream.backtest.segments import Frames, Numbers, People, SeenPerson, Segment, order_of
from stream.backtest.selection import Field, Recorded, Selection
from stream.results import Action, DetectedObject, Part, Person
from stream.rules.signals import Signal, signals_of
from stream.settings.config_error import ConfigError

_FRAME_COLUMNS = ("run", "epoch", "seq", "frame", "media_time_us", "people")
_BOX = ("x1", "y1", "x2", "y2")
_PERSON_COLUMNS = ("run", "epoch", "seq", "track", *_BOX, "action", "action_score")
_MEASURES = ("stature", "trunk", "hips", "speed")
_DIGITS = dict.fromkeys((*_BOX, "object_boxes", "foot_x", "foot_y", "stature"), 1) | {"trunk": 0, "hips": 2, "speed": 2}
"""Of the numbers that are published with fewer than four digits."""
NO_BOX = (0.0, 0.0, 0.0, 0.0)
_NUMBERING = frozenset(("capture_utc", "camera", "run", "epoch", "seq"))
_BLOCK = 8192
"""People whose columns are turned into objects at once, which bounds the memory."""
_Epoch = tuple[str, str, int]
"""Camera, run and epoch."""


def read_archives(folders: Sequence[Path], selection: Selection, fields: Collection[Field]) -> Recorded:
    """Read the results of archives. `fields`: what the rules need beside boxes and the model's actions.

    Raises `ConfigError` for a folder that is no archive, and `MissingFieldError` if it lacks what the rules need.
    """
    frame_files = [path for folder in folders for path in _files(folder, selection)]
    people_files = [path for folder in folders for path in files_of(folder, "people", selection)]
    sizes = ("width", "height") if "foot" in fields else ()
    objects = ("objects", "object_boxes") if "objects" in fields else ()
    frames = read_rows(frame_files, "frames", (*_FRAME_COLUMNS, *sizes, *objects), selection)
    of_fields = tuple(name for field in sorted(fields) for name in COLUMNS.get(field, ()))
    in_parts = [name for field in sorted(fields) for name in FIELDS_OF_PARTS.get(field, ())]
    people = read_rows(people_files, "people", (*_PERSON_COLUMNS, *of_fields), selection, in_parts)
    if "parts" in fields:
        check_parts(people)
    recorded = _joined(frames, people)
    recorded.profiles = _profiles(frames)
    holes = read_holes(folders)
    recorded.segments = {camera: with_holes(segments, holes) for camera, segments in recorded.segments.items()}
    return recorded


class _Numbered(NamedTuple):
    """Columns of both tables that number an epoch and its frames."""

    epochs: Mapping[_Epoch, Numbers]
    """The rows of each epoch, in the order of the files."""
    seq: Numbers


def _joined(frames: Rows, people: Rows) -> Recorded:
    """Return the segments, in the order of the first frames of their runs."""
    numbered, of_people = _numbered(frames), _numbered(people)
    table = _PeopleTable(people, frames)
    capture_us, media_us = frames.numbers("capture_utc"), frames.numbers("media_time_us")
    frame, count = frames.numbers("frame"), frames.numbers("people")
    first: dict[str, int] = {}
    for (_, run, _), rows in numbered.epochs.items():
        earliest = int(capture_us[rows].min())
        first[run] = min(earliest, first.get(run, earliest))
    recorded = Recorded({})
    for key in sorted(numbered.epochs, key=lambda key: (key[0], first[key[1]], key[1], key[2])):
        rows = numbered.epochs[key]
        order = order_of(numbered.seq[rows], media_us[rows])
        rows = rows[order.rows]
        recorded.duplicates += order.duplicates
        recorded.late += order.late
        own = of_people.epochs.get(key, np.zeros(0, np.int64))
        found = _people_of(numbered.seq[rows], count[rows], own, of_people.seq[own], table.tracks)
        recorded.incomplete += len(rows) - len(found.frames)
        rows = rows[found.frames]
        if not len(rows):
            continue
        columns = Frames(numbered.seq[rows], frame[rows], capture_us[rows], media_us[rows])
        reader = _EpochPeople(table, found, rows[found.busy])
        segment = Segment(*key, table.size(int(rows[0])), columns, found.busy, reader.people)
        recorded.segments.setdefault(key[0], []).append(segment)
    return recorded


class _Found(NamedTuple):
    """The frames of an epoch whose people are complete, those with people, and their people."""

    frames: Numbers
    busy: Numbers
    """Indices among `frames`."""
    people: Numbers
    """Rows of people, frame by frame."""
    first: Numbers
    """The first of each busy frame's people, and the end of the last one's."""


def _people_of(seq: Numbers, count: Numbers, rows: Numbers, people_seq: Numbers, tracks: Numbers) -> _Found:
    """Join an epoch's frames, whose `seq` ascends, with its rows of people, each frame's in their order."""
    at = seq.searchsorted(people_seq)
    known = at < len(seq)
    known[known] = seq[at[known]] == people_seq[known]
    rows, at = rows[known], at[known]
    if np.any(np.diff(at) < 0):
        order = np.argsort(at, kind="stable")
        rows, at = rows[order], at[order]
    if np.any(np.bincount(at, minlength=len(seq)) > count):  # messages that were archived twice
        first = np.sort(np.unique(np.stack([at, tracks[rows]]), axis=1, return_index=True)[1])
        rows, at = rows[first], at[first]
    found = np.bincount(at, minlength=len(seq))
    complete = found == count
    rows = rows[complete[at]]
    counts = count[complete]
    busy = np.flatnonzero(counts)
    return _Found(np.flatnonzero(complete), busy, rows, np.concatenate(([0], np.cumsum(counts[busy]))))


def _numbered(rows: Rows) -> _Numbered:
    """Group the rows by camera, run and epoch."""
    (cameras, camera_of), (runs, run_of) = coded(rows.column("camera")), coded(rows.column("run"))
    keys = (rows.numbers("epoch"), runs, cameras)
    order = np.lexsort(keys)
    changes = np.flatnonzero(np.logical_or.reduce([np.diff(key[order]) != 0 for key in keys])) + 1
    epochs: dict[_Epoch, Numbers] = {}
    for own in np.split(order, changes) if len(order) else []:
        epoch, run, camera = (int(key[own[0]]) for key in keys)
        epochs[camera_of[camera], run_of[run], epoch] = own
    return _Numbered(epochs, rows.numbers("seq"))


class _PeopleTable:
    """The columns of the table of people, and those of frames that people need."""

    def __init__(self, people: Rows, frames: Rows) -> None:
        self.rows = people
        self._frames = frames
        names = set(people.table.column_names) - _NUMBERING
        self._columns = {name: people.column(name) for name in names}
        self.tracks = people.numbers("track")

    def size(self, frame: int) -> tuple[int, int]:
        """Return the size of the picture; (0, 0) if it was not read."""
        if "width" not in self._frames.table.column_names:
            return (0, 0)
        width, height = (self._frames.table.column(name)[frame].as_py() for name in ("width", "height"))
        return (width, height)

    def people(self, rows: Numbers) -> list[Person]:
        """Return the people of these rows, as far as they were read."""
        taken = [_listed(column.take(pa.array(rows)), name) for name, column in self._columns.items()]
        return [_person(dict(zip(self._columns, row, strict=True))) for row in zip(*taken, strict=True)]

    def objects(self, frames: Numbers) -> list[list[DetectedObject]]:
        """Return the objects of each of these frames."""
        labels, boxes = (
            _listed(self._frames.column(name).take(pa.array(frames)), name) for name in ("objects", "object_boxes")
        )
        return [
            [DetectedObject(found["label"], tuple(box), 0.0) for found, box in zip(of_frame, places, strict=True)]
            for of_frame, places in zip(labels, boxes, strict=True)
        ]

    def read_again(self, row: int) -> Person:
        """Return the person of a row with everything that reasons of alerts name. Few alerts need it."""
        path, number = self.rows.files[int(self.rows.file[row])], int(self.rows.number[row])
        columns = read_row(path, number, ("track", *_BOX, "action", "action_score", "trunk", "hips", "parts"))
        return _person({name: _listed(column, name)[0] for name, column in columns.items()})


def _listed(column: pa.Array, name: str) -> list[Any]:
    """Return a column as Python's own objects, with numbers as they were published; null numbers are NaN.

    The archive has 32-bit numbers. Rounded in 64 bits to as many digits as published, they equal the published ones.
    """
    if pa.types.is_list(column.type):
        ends = np.cumsum(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)).tolist()
        elements = _listed(column.flatten(), name)
        return [elements[first:end] for first, end in zip([0, *ends], ends)]
    if pa.types.is_struct(column.type):
        names = [field.name for field in column.type]
        fields = [_listed(field, of) for field, of in zip(column.flatten(), names, strict=True)]
        return [dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]
    if pa.types.is_string(column.type):
        return column.to_pylist()
    return np.round(column.cast(pa.float64()).to_numpy(zero_copy_only=False), _DIGITS.get(name, 4)).tolist()


def _person(row: Mapping[str, Any]) -> Person:
    """Return the person of a row: what was not read of the row is unknown."""
    known = {name: row[name] for name in _MEASURES if not math.isnan(row.get(name, math.nan))}
    return Person(
        int(row["track"]),
        (row["x1"], row["y1"], row["x2"], row["y2"]),
        0.0,
        None if row["action"] is None else Action(row["action"], row["action_score"], 0, []),
        [
            Part(
                part.get("part", ""),
                (part["x1"], part["y1"], part["x2"], part["y2"]) if "x1" in part else NO_BOX,
                part.get("score", 0.0),
                part.get("relevance", 0.0),
                [(state["label"], state["score"]) for state in part.get("states", ())],
                part.get("holds"),
            )
            for part in row.get("parts", ())
        ],
        foot=None if math.isnan(row.get("foot_x", math.nan)) else (row["foot_x"], row["foot_y"]),
        zones=row.get("zones", []),
        crossed=[(crossing["line"], crossing["side"]) for crossing in row.get("crossed", ())],
        **known,
    )


@dataclass(frozen=True)
class _EpochPeople:
    """The people of an epoch: their rows, and where each busy frame's begin. `frames`: the rows of the busy frames."""

    table: _PeopleTable
    found: _Found
    frames: Numbers

    def people(self, signals: Sequence[Signal]) -> People:
        """Return what reads the people of a frame, with these signals."""
        frames = self._in_order(signals)

        def of(index: int) -> list[SeenPerson]:
            found, people = next(frames)
            assert found == index, "frames with people are read once each, in order"
            return people

        return of

    def _in_order(self, signals: Sequence[Signal]) -> Iterator[tuple[int, list[SeenPerson]]]:
        """Yield each busy frame's index, and its people."""
        first = self.found.first
        blocks = first.searchsorted(np.arange(_BLOCK, int(first[-1]), _BLOCK)).tolist()
        with_objects = any(signal.kind == "near_object" for signal in signals)
        for begin, end in pairwise(sorted({0, *blocks, len(self.frames)})):
            rows = self.found.people[first[begin] : first[end]]
            people = zip(self.table.people(rows), rows.tolist(), strict=True)
            objects = self.table.objects(self.frames[begin:end]) if with_objects else repeat(list[DetectedObject]())
            counts = np.diff(first[begin : end + 1]).tolist()
            for index, count, around in zip(self.found.busy[begin:end].tolist(), counts, objects):
                yield index, [self._seen(person, row, around, signals) for person, row in islice(people, count)]

    def _seen(
        self, person: Person, row: int, objects: Sequence[DetectedObject], signals: Sequence[Signal]
    ) -> SeenPerson:
        return SeenPerson(
            person.track,
            person.box,
            person.zones,
            person.crossed,
            signals_of(person, objects, signals),
            partial(self.table.read_again, row),
            foot=person.foot,
        )


def _files(folder: Path, selection: Selection) -> list[Path]:
    """Return the files of frames. Raises `ConfigError` if the folder is no archive."""
    if not (folder / "frames").is_dir():
        raise ConfigError(f"{folder}: is not an archive of `partstream archive`: it has no folder `frames`")
    return files_of(folder, "frames", selection)


def _profiles(frames: Rows) -> set[str]:
    """Return the profiles of the first and the last result."""
    ends = {0, len(frames.file) - 1} if len(frames.file) else set[int]()
    rows = [read_row(frames.files[int(frames.file[at])], int(frames.number[at]), ["profile"]) for at in ends]
    return {profile for row in rows for profile in row["profile"].to_pylist() if profile is not None}
