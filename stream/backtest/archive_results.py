"""Archives as the results of a back-test: frames and people are joined, and signals computed for all people at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from stream.backtest.archive_tables import (
    COLUMNS,
    FIELDS_OF_PARTS,
    Rows,
    check_parts,
    files_of,
    read_row,
    read_rows,
)
from stream.backtest.archived_holes import read_holes, with_holes
from stream.backtest.archived_person import ArchivedPerson
from stream.backtest.segments import Frames, Numbers, People, SeenPerson, Segment, order_of
from stream.backtest.selection import Field, Recorded, Selection
from stream.backtest.signal_columns import (
    PIXEL_DIGITS,
    Labels,
    Lists,
    Objects,
    SignalColumns,
    published,
)
from stream.results import Box
from stream.rules.bodies import Point
from stream.rules.signals import Signal
from stream.settings.config_error import ConfigError

_FRAME_COLUMNS = ("run", "epoch", "seq", "frame", "media_time_us", "people")
_PERSON_COLUMNS = ("run", "epoch", "seq", "track", "x1", "y1", "x2", "y2", "action", "action_score")
_BLOCK = 8192
"""People whose columns are turned into objects at once, which bounds the memory."""
_Epoch = tuple[str, str, int]
"""Camera, run and epoch."""
Element = TypeVar("Element")


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
    cameras, runs = Labels.of(rows.column("camera")), Labels.of(rows.column("run"))
    epoch = rows.numbers("epoch")
    keys = (cameras.codes, runs.codes, epoch)
    changes = np.flatnonzero(np.logical_or.reduce([column[1:] != column[:-1] for column in keys])) + 1
    camera_of = {number: label for label, number in cameras.numbers.items()}
    run_of = {number: label for label, number in runs.numbers.items()}
    groups: dict[tuple[int, int, int], Numbers] = {}
    if len(changes) < 1000:
        pieces: dict[tuple[int, int, int], list[Numbers]] = {}
        for piece in np.split(np.arange(len(epoch)), changes) if len(epoch) else []:
            key = (int(cameras.codes[piece[0]]), int(runs.codes[piece[0]]), int(epoch[piece[0]]))
            pieces.setdefault(key, []).append(piece)
        groups = {key: np.concatenate(own) for key, own in pieces.items()}
    else:
        unique, inverse = np.unique(np.stack(keys), axis=1, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        ends = np.flatnonzero(np.diff(inverse[order])) + 1
        for key, own in zip(unique.T.tolist(), np.split(order, ends), strict=True):
            groups[key[0], key[1], key[2]] = own
    epochs = {(camera_of[camera], run_of[run], number): own for (camera, run, number), own in groups.items()}
    return _Numbered(epochs, rows.numbers("seq"))


class _PeopleTable:
    """The columns of the table of people, and those of frames that people need."""

    def __init__(self, people: Rows, frames: Rows) -> None:
        self.rows = people
        self._frames = frames
        self.columns = {name: people.column(name) for name in people.table.column_names}
        self.tracks = people.numbers("track")

    def size(self, frame: int) -> tuple[int, int]:
        """Return the size of the picture; (0, 0) if it was not read."""
        if "width" not in self._frames.table.column_names:
            return (0, 0)
        width, height = (self._frames.table.column(name)[frame].as_py() for name in ("width", "height"))
        return (width, height)

    def objects(self, frames: Numbers) -> Objects | None:
        """Return the objects of these frames."""
        if "objects" not in self._frames.table.column_names:
            return None
        labels, boxes = (self._frames.column(name).take(pa.array(frames)) for name in ("objects", "object_boxes"))
        return Objects.of(labels, boxes)


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
        for begin, end in pairwise(sorted({0, *blocks, len(self.frames)})):
            rows = self.found.people[first[begin] : first[end]]
            columns = self._columns(rows)
            objects = None
            if any(signal.kind == "near_object" for signal in signals):
                objects = self.table.objects(self.frames[begin:end])
            counts = np.diff(first[begin : end + 1])
            frames = np.repeat(np.arange(end - begin), counts)
            values = SignalColumns(columns, len(rows), frames, objects).values(signals)
            people = (
                SeenPerson(*place, own, partial(self._person, row), foot=foot)
                for place, own, foot, row in zip(_places(columns), values, _feet(columns), rows.tolist(), strict=True)
            )
            for index, count in zip(self.found.busy[begin:end].tolist(), counts.tolist(), strict=True):
                yield index, list(islice(people, count))

    def _columns(self, rows: Numbers) -> dict[str, pa.Array]:
        if len(rows) and np.all(np.diff(rows) == 1):
            return {name: one.slice(int(rows[0]), len(rows)) for name, one in self.table.columns.items()}
        return {name: one.take(pa.array(rows)) for name, one in self.table.columns.items()}

    def _person(self, row: int) -> ArchivedPerson:
        """Return the person of a row, for reasons of alerts."""
        rows = self.table.rows
        return ArchivedPerson(rows.files[int(rows.file[row])], int(rows.number[row]))


def _places(people: Mapping[str, pa.Array]) -> Iterator[tuple[int, Box, Sequence[str], Sequence[tuple[str, str]]]]:
    """Return each person's track, box, zones and crossings."""
    none: list[tuple[()]] = [()] * len(people["track"])
    zones = _texts(people["zones"]) if "zones" in people else none
    crossed = _pairs(people["crossed"]) if "crossed" in people else none
    boxes = zip(*(published(people[side], PIXEL_DIGITS).tolist() for side in ("x1", "y1", "x2", "y2")))
    return zip(people["track"].to_pylist(), boxes, zones, crossed, strict=True)


def _feet(people: Mapping[str, pa.Array]) -> Sequence[Point | None]:
    if "foot_x" not in people:
        return [None] * len(people["track"])
    return list(zip(*(published(people[axis], PIXEL_DIGITS).tolist() for axis in ("foot_x", "foot_y"))))


def _texts(column: pa.Array) -> list[list[str]]:
    """Return a column of lists of strings."""
    labels = Labels.of(column.flatten())
    names = {number: name for name, number in labels.numbers.items()}
    return _split(column, [names[code] for code in labels.codes.tolist()])


def _pairs(column: pa.Array) -> list[list[tuple[str, str]]]:
    """Return a column of lists of lines and sides."""
    fields = Lists.of(column).fields
    return _split(column, list(zip(fields["line"].to_pylist(), fields["side"].to_pylist(), strict=True)))


def _split(column: pa.Array, elements: list[Element]) -> list[list[Element]]:
    """Split the elements of a column of lists into the lists of its rows."""
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths).tolist()
    return [elements[first:end] for first, end in zip([0, *ends], ends)]


def _files(folder: Path, selection: Selection) -> list[Path]:
    """Return the files of frames. Raises `ConfigError` if the folder is no archive."""
    if not (folder / "frames").is_dir():
        raise ConfigError(f"{folder}: is not an archive of `partstream archive`: it has no folder `frames`")
    return files_of(folder, "frames", selection)


def _profiles(frames: Rows) -> set[str]:
    """Return the profiles of the first and the last result."""
    ends = {0, len(frames.file) - 1} if len(frames.file) else set[int]()
    rows = [read_row(frames.files[int(frames.file[at])], int(frames.number[at]), ["profile"]) for at in ends]
    return {str(row["profile"]) for row in rows if row["profile"] is not None}
