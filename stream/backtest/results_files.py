"""Results files: each result as a JSON line, as `partstream run --results` writes them. They may be in any order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from stream.backtest.segments import Frames, Numbers, People, SeenPerson, Segment, order_of
from stream.backtest.selection import Recorded, Selection
from stream.results import (
    FRAME_SCHEMA,
    CameraId,
    Epoch,
    Frame,
    FrameNumber,
    MediaTime,
    Micros,
    ModelRef,
    Run,
    Seq,
    Size,
    decode,
)
from stream.rules.signals import Signal, signals_of
from stream.settings.config_error import ConfigError


class _Head(msgspec.Struct, tag_field="schema", tag=FRAME_SCHEMA):
    """What the index needs of a result; the people are not decoded."""

    run: Run
    seq: Seq
    camera: CameraId
    epoch: Epoch
    frame: FrameNumber
    capture_us: Micros
    media_time_us: MediaTime
    published_us: Micros
    size: Size
    model: ModelRef
    people: list[msgspec.Raw]


@dataclass(slots=True)
class _Index:
    """The results of one epoch, in the order of the files."""

    size: tuple[int, int]
    published_us: int
    columns: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in range(8)))
    """seq, frame, capture time, media time, number of people, file, offset in the file, and line number."""


class ResultsFiles:
    """The files of a back-test, which stay open until `close`."""

    def __init__(self, paths: Sequence[Path], selection: Selection) -> None:
        """Index the files. Raises `ConfigError` that names file and line for what is no result."""
        self._paths = paths
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []
        self._epochs: dict[tuple[str, str, int], _Index] = {}
        self._profiles: set[str] = set()
        try:
            for number, path in enumerate(paths):
                self._files.append(self._stack.enter_context(path.open("rb")))
                self._read(number, selection)
        except OSError as error:
            self.close()
            raise ConfigError(f"{paths[len(self._files) - 1]}: can't be read: {error.strerror}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def recorded(self) -> Recorded:
        """Return the results: runs in the order of their publication."""
        runs: dict[str, int] = {}
        for (_, run, _), index in self._epochs.items():
            runs[run] = min(index.published_us, runs.get(run, index.published_us))
        recorded = Recorded({}, self._profiles)
        for camera, run, epoch in sorted(self._epochs, key=lambda key: (key[0], runs[key[1]], key[1], key[2])):
            index = self._epochs[camera, run, epoch]
            seq, frame, capture_us, media_us, people, *places = (np.array(one, np.int64) for one in index.columns)
            order = order_of(seq, media_us)
            recorded.duplicates += order.duplicates
            recorded.late += order.late
            frames = Frames(seq, frame, capture_us, media_us).kept(order.rows)
            busy = np.flatnonzero(people[order.rows])
            lines = _Lines(self, *(place[order.rows] for place in places))
            segment = Segment(camera, run, epoch, index.size, frames, busy, lines.people)
            recorded.segments.setdefault(camera, []).append(segment)
        return recorded

    def frame(self, file: int, offset: int, line: int) -> Frame:
        """Read the result in a line, at this offset of a file. Raises `ConfigError` if it is none."""
        self._files[file].seek(offset)
        try:
            frame = decode(self._files[file].readline())
        except msgspec.DecodeError as error:
            raise _not_a_result(self._paths[file], line, error) from None
        assert isinstance(frame, Frame)
        return frame

    def _read(self, file: int, selection: Selection) -> None:
        for number, offset, head in _heads(self._paths[file], self._files[file]):
            if not (selection.has_camera(head.camera) and selection.has_time(head.capture_us)):
                continue
            self._profiles.add(head.model.profile)
            key = (head.camera, head.run, head.epoch)
            index = self._epochs.get(key)
            if index is None:
                index = self._epochs[key] = _Index(head.size, head.published_us)
            values = (head.seq, head.frame, head.capture_us, head.media_time_us, len(head.people), file, offset, number)
            for column, value in zip(index.columns, values, strict=True):
                column.append(value)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Where the results of an epoch are."""

    files: ResultsFiles
    file: Numbers
    offset: Numbers
    line: Numbers

    def people(self, signals: Sequence[Signal]) -> People:
        def of(index: int) -> list[SeenPerson]:
            frame = self.files.frame(int(self.file[index]), int(self.offset[index]), int(self.line[index]))
            return people_of(frame, signals)

        return of


def people_of(frame: Frame, signals: Sequence[Signal]) -> list[SeenPerson]:
    """Return the people of a result as rules see them."""
    return [
        SeenPerson(
            person.track,
            person.box,
            person.zones,
            person.crossed,
            signals_of(person, frame.objects, signals),
            lambda person=person: person,
            foot=person.foot,
        )
        for person in frame.people
    ]


def _heads(path: Path, lines: BinaryIO) -> Iterator[tuple[int, int, _Head]]:
    """Yield line number, offset and head of each result. A last line that was cut off is ignored."""
    decoder = msgspec.json.Decoder(_Head)
    offset = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, offset, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if not _is_other_message(line):
                    if not line.endswith(b"\n"):
                        return
                    raise _not_a_result(path, number, error) from None
        offset += len(line)


def _not_a_result(path: Path, line: int, error: Exception) -> ConfigError:
    return ConfigError(f"{path}, line {line}: not a result of partstream: {error}")


def _is_other_message(line: bytes) -> bool:
    try:
        return not isinstance(decode(line), Frame)
    except msgspec.DecodeError:
        return False
