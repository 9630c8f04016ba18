"""Merging small files: which files of an archive are merged, and their rows as one file.

Reading costs about a millisecond for each file, which is most of the time for small ones. So small files of one table
and one hour or day are merged some minutes after its end. A group is consecutive in the order of writing, of one
schema, and limited in size, number and span of writing, so that one merge takes about a second, holds a few row groups
in memory, and moves the borders of retention only slightly. The largest file of a group is at most half of it, so that
rows which arrive late do not cause a large file to be written again and again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from stream.archive.files import ArchiveFiles, name_of, partition_end, written

logger = logging.getLogger(__name__)

CLOSED_AFTER = timedelta(minutes=5)
"""Time after the end of an hour or day in which its last rows are written."""
LEAST_FILES, MOST_FILES = 3, 256
"""Files of a group."""
MOST_BYTES = 16 << 20
"""Bytes of a group."""
SMALL = 8
"""A file of this part of a group's most bytes, and a larger one, is not small."""
MOST_SPAN = timedelta(minutes=70)
"""Time between the writing of the first and the last file of a group: an hour, and the rest of its rows."""
OF_LIMIT = 20
"""A group's bytes and span are at most this part of the limits of what is kept, since files are removed whole."""
ROWS = {"people": 2048}
"""Rows of a row group in merged files. Single people are read with all others of their row group."""
ROWS_OF_OTHERS = 65_536


class DamagedFileError(Exception):
    """A file of a group can't be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason


class SmallFiles:
    """The small files among `files`, in `folder`.

    `keep_bytes`, `keep_days`: limits of what is kept; `keep_days` None: no limit.
    """

    def __init__(self, folder: Path, files: ArchiveFiles, keep_bytes: int, keep_days: float | None) -> None:
        self._folder = folder
        self._files = files
        self._most_bytes = min(MOST_BYTES, keep_bytes // OF_LIMIT)
        limit = MOST_SPAN.total_seconds() if keep_days is None else keep_days * 86_400 / OF_LIMIT
        self._most_span = min(MOST_SPAN, timedelta(seconds=limit))
        self._left_out: set[str] = set()

    def group(self, now: float) -> list[str]:
        """Return paths of files to merge, in the order of writing; none if there are none at present."""
        for place in sorted(self._files.changed):
            paths = self._files.in_folder(place)
            end = partition_end(paths[-1]) if paths else None
            if end is not None and end + CLOSED_AFTER > datetime.fromtimestamp(now, UTC):
                continue
            if end is not None and (group := self._first_group(paths)):
                return group
            self._files.changed.discard(place)
        return []

    def merged_name(self, group: Sequence[str]) -> str | None:
        """Return the path of the merged file; None if there is no name for it, which happens when clocks are set back.

        No file had this name before: a reader that knows the old names can't mistake the merged file for one of them.
        """
        place = group[0].rpartition("/")[0]
        path = f"{place}/{name_of(written(group[0]) - timedelta(microseconds=1))}"
        return None if path in self._files.in_folder(place) else path

    def leave_out(self, error: DamagedFileError) -> None:
        """Merge this file no more."""
        if (self._folder / error.path).exists():
            logger.warning("%s can't be read, so it is not merged: %s", self._folder / error.path, error.reason)
        self._left_out.add(error.path)
        self._files.changed.add(error.path.rpartition("/")[0])

    def write(self, group: Sequence[str], file: IO[bytes]) -> None:
        """Write the rows of a group as one file.

        Raises `DamagedFileError` if one can't be read, and OSError if the file can't be written.
        """
        most = ROWS.get(group[0].partition("/")[0], ROWS_OF_OTHERS)
        with pq.ParquetWriter(file, self._schema(group[0]), compression="zstd") as writer:
            for rows in _in_pieces((self._read(path) for path in group), most):
                writer.write_table(rows, row_group_size=most)

    def _first_group(self, paths: Sequence[str]) -> list[str]:
        for near in self._near(paths):
            if len(_balanced(near, self._files)) < LEAST_FILES:
                continue
            schemas: list[tuple[str, pa.Schema]] = []
            for path in near:
                try:
                    schemas.append((path, self._schema(path)))
                except DamagedFileError as error:
                    self.leave_out(error)
            for _, same in groupby(schemas, _Distinct()):
                group = _balanced([path for path, _ in same], self._files)
                if len(group) >= LEAST_FILES and self.merged_name(group) is not None:
                    return group
        return []

    def _near(self, paths: Sequence[str]) -> Iterator[list[str]]:
        """Yield the small files that are consecutive, within the limits of a group."""
        near: list[str] = []
        size = 0
        for path in paths:
            if path in self._left_out:
                continue
            own = self._files.size(path)
            small = own < self._most_bytes // SMALL
            full = near and (
                size + own > self._most_bytes
                or len(near) == MOST_FILES
                or written(path) - written(near[0]) > self._most_span
            )
            if near and (full or not small):
                yield near
                near, size = [], 0
            if small:
                near.append(path)
                size += own
        yield near

    def _schema(self, path: str) -> pa.Schema:
        return self._opened(path).schema_arrow

    def _read(self, path: str) -> pa.Table:
        file = self._opened(path)
        try:
            return file.read(use_threads=False)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DamagedFileError(path, str(error)) from None

    def _opened(self, path: str) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._folder / path, pre_buffer=False)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DamagedFileError(path, str(error)) from None


class _Distinct:
    """Numbers schemas: consecutive equal ones have the same number."""

    def __init__(self) -> None:
        self._last: pa.Schema | None = None
        self._number = 0

    def __call__(self, item: tuple[str, pa.Schema]) -> int:
        if self._last is None or not item[1].equals(self._last, check_metadata=True):
            self._last = item[1]
            self._number += 1
        return self._number


def _balanced(paths: list[str], files: ArchiveFiles) -> list[str]:
    """Return the last of these files, so that the largest is at most half of them."""
    while paths:
        sizes = [files.size(path) for path in paths]
        if 2 * max(sizes) <= sum(sizes):
            break
        paths = paths[sizes.index(max(sizes)) + 1 :]
    return paths


def _in_pieces(tables: Iterator[pa.Table], most: int) -> Iterator[pa.Table]:
    """Yield the rows in tables of `most` rows, and the rest."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        if rows >= most:
            together = pa.concat_tables(held)
            whole = rows // most * most
            yield together.slice(0, whole)
            held, rows = [together.slice(whole)], rows - whole
    if rows:
        yield pa.concat_tables(held)
