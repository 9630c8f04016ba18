"""A folder of Parquet files: rows of several tables are added atomically, together with the positions of the topics.

Files are at `TABLE/day=2026-11-25/hour=21/20261125T213000000000Z.parquet`: the partition is the time of the rows, the
name the time of writing, both UTC. Writing has three steps: files with the ending `.part`; then `archive.json`,
replaced by one rename, with the names of these files and the position of each topic; then the files' final names. After
a crash before the second step nothing of the write remains; after a later crash the next start completes it. Readers of
`*.parquet` see whole files only. A lock allows one process per folder. Not thread-safe.

Reading costs about a millisecond for each file, which is most of the time for small ones. So small files of one table
and one hour or day are merged some minutes after its end. Merging has the same steps. Here `archive.json` also names
the files that the merged one replaces, and these are removed before the merged file gets its final name. A reader thus
never sees a row twice, and a name never stands for other rows. A reader that listed the files before finds that one is
missing, and one that lists them in the millisecond between misses the group's rows.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stream import file_lock
from stream.archive.tables import SCHEMAS, Table, batch
from stream.messaging.gaps import Position
from stream.settings.config_error import ConfigError
from stream.settings.files import sync, too_little

logger = logging.getLogger(__name__)

Partition = Literal["hour", "day"]
STATE, LOCK, PART = "archive.json", "archive.lock", ".part"
SCHEMA_KEY = b"partstream.archive/1"
_US = {"hour": 3_600_000_000, "day": 86_400_000_000}
_NAME_FORMAT = "%Y%m%dT%H%M%S%f"
_FILE = re.compile(
    rf"(?:{'|'.join(SCHEMAS)})/day=(?P<day>\d{{4}}-\d\d-\d\d)(?:/hour=(?P<hour>\d\d?))?/\d{{8}}T\d{{12}}Z\.parquet"
)

CLOSED_AFTER = timedelta(minutes=5)
"""Time after the end of an hour or day in which its last rows are written."""
LEAST_FILES, MOST_FILES = 3, 256
"""Files of a group to merge, which are consecutive in the order of writing."""
MOST_BYTES = 16 << 20
"""Bytes of a group. An eighth of it is no small file."""
MOST_SPAN = timedelta(minutes=70)
"""Time between the writing of the first and the last file of a group: an hour, and the rest of its rows."""
OF_LIMIT = 20
"""A group's bytes and span are at most this part of the limits of what is kept, since files are removed whole."""
ROWS = {"people": 2048}
"""Rows of a row group in merged files. Single people are read with all others of their row group."""
ROWS_OF_OTHERS = 65_536


class ArchiveState(msgspec.Struct, frozen=True):
    """The content of `archive.json`: the position of each topic, and files that may not have their final names yet.

    `replaced`: the files whose rows are in `files` as well.
    """

    positions: list[Position]
    files: list[str]
    version: Literal[1] = 1
    replaced: list[str] = []


class DiskSpaceError(OSError):
    """Nothing was written, because the disk has less free space than configured."""


class _DamagedFileError(Exception):
    """A file to merge, whose path is the argument, can't be read."""


class _File(NamedTuple):
    bytes: int
    modified_s: float


class Archive:
    """The archive in `folder`, which is created if necessary.

    The oldest files are deleted while all have more than `keep_bytes`, and when they are older than `keep_days`; the
    last file of each table stays. Nothing is written while the disk has less than `least_free` free bytes.

    Raises `ConfigError` if the folder is unusable or in use by another process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        partition: Partition = "hour",
        keep_bytes: int = 20 * 10**9,
        keep_days: float | None = None,
        least_free: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.removed = 0
        """Number of files deleted as the oldest."""
        self.merged = 0
        """Number of files whose rows were merged into others."""
        self._partition: Partition = partition
        self._keep_bytes = keep_bytes
        self._keep_days = keep_days
        self._least_free = least_free
        self._now = now
        self._files: dict[str, _File] = {}
        self._state = ArchiveState([], [])
        self._damaged: set[str] = set()
        self._merge_failed = False
        self._lock: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = file_lock.held(folder / LOCK)
            try:
                self._open()
            except BaseException:
                self.close()
                raise
        except file_lock.InUseError:
            holder = file_lock.holder_of(folder / LOCK)
            raise ConfigError(
                f"{folder} is in use by another archive process ({holder}): stop it, or choose another"
            ) from None
        except OSError as error:
            raise ConfigError(f"{folder} can't be used: {error.strerror or error}") from None

    @property
    def positions(self) -> list[Position]:
        """The position of each topic in the archive."""
        return self._state.positions

    @property
    def bytes_kept(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self._files.values())

    def __len__(self) -> int:
        """Number of files."""
        return len(self._files)

    def write(self, tables: Mapping[Table, Sequence[pa.RecordBatch]], positions: Sequence[Position]) -> None:
        """Add rows and set the positions. On OSError nothing has changed."""
        self._complete()
        free = shutil.disk_usage(self.folder).free
        if free < self._least_free:
            room = too_little(free, "--least-free", self._least_free)
            raise DiskSpaceError(errno.ENOSPC, f"{room}, which must stay free")
        paths: list[str] = []
        with self._discarding_parts(paths):
            name = self._new_name()
            for table, batches in tables.items():
                self._write_parts(table, batches, name, paths)
            self._save(ArchiveState(list(positions), paths))
        try:
            self._complete()
            self._retain()
        except OSError as error:  # the rows are safe; the next write completes this
            logger.warning("archive %s: %s", self.folder, error.strerror or error)

    def merge(self) -> bool:
        """Merge one group of small files. Return false if there is none, or merging fails, which is logged."""
        try:
            self._complete()
            group = self._group()
            needed = sum(self._files[path].bytes for path in group)
            if not group or shutil.disk_usage(self.folder).free - needed < self._least_free:
                return False
            path = _merged_name(group[0])
            with self._discarding_parts([path]):
                with self._part(path) as file:
                    self._write_merged(group, file)
                self._save(msgspec.structs.replace(self._state, files=[path], replaced=group))
            self._complete()
        except _DamagedFileError as error:
            self._leave_out(str(error))
        except OSError as error:  # nothing is lost; the next merge completes this
            if not self._merge_failed:
                logger.warning("archive %s: small files can't be merged: %s", self.folder, error.strerror or error)
            self._merge_failed = True
            return False
        self._merge_failed = False
        return True

    def close(self) -> None:
        """Release the lock. May be called again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- opening ------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        (self.folder / (STATE + PART)).unlink(missing_ok=True)
        self._state = self._read_state()
        self._complete()
        for path, name in self._own_files():
            if name.endswith(PART):
                path.unlink()
            else:
                self._add(name)
        # A file without rows, so that queries find every table and its columns from the beginning.
        for table in SCHEMAS.keys() - {_table(path) for path in self._files}:
            path = f"{table}/{self._place(int(self._now() * 1e6))}/{self._new_name()}"
            with self._part(path) as file:
                _write_rows(pa.Table.from_batches([batch(table, [])]), file)
            self._state = msgspec.structs.replace(self._state, files=[path])
            self._complete()
        self._retain()

    def _read_state(self) -> ArchiveState:
        path = self.folder / STATE
        try:
            state = msgspec.json.decode(path.read_bytes(), type=ArchiveState)
        except FileNotFoundError:
            return ArchiveState([], [])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} is damaged ({error}): move it away to continue without the positions of the archive"
            ) from None
        for name in (*state.files, *state.replaced):
            if not _FILE.fullmatch(name):
                raise ConfigError(f"{path} names {name!r}, which is not a file of an archive")
        return state

    def _own_files(self) -> Iterator[tuple[Path, str]]:
        """Yield the archive's files, including unfinished ones. Other files are never touched."""
        for table in SCHEMAS:
            for path in (self.folder / table).rglob("*"):
                name = path.relative_to(self.folder).as_posix()
                if _FILE.fullmatch(name.removesuffix(PART)) and path.is_file() and not path.is_symlink():
                    yield path, name

    # -- writing ------------------------------------------------------------------------------------------------
    def _new_name(self) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        now = datetime.fromtimestamp(self._now(), UTC)
        if self._files:
            now = max(now, _written(max(self._files, key=_name)) + timedelta(microseconds=1))
        return _name_at(now)

    def _write_parts(self, table: Table, batches: Sequence[pa.RecordBatch], name: str, paths: list[str]) -> None:
        """Write an unfinished file with this name for each partition, and add their paths."""
        rows = pa.Table.from_batches(batches, SCHEMAS[table])
        if not rows.num_rows:
            return
        units = rows.column(0).cast(pa.int64()).to_numpy() // _US[self._partition]
        for unit in np.unique(units):
            path = f"{table}/{self._place(int(unit) * _US[self._partition])}/{name}"
            paths.append(path)
            with self._part(path) as file:
                _write_rows(rows.filter(pa.array(units == unit)), file)

    def _place(self, time_us: int) -> str:
        """Return the folder of a time's partition, within that of a table."""
        moment = datetime(1970, 1, 1) + timedelta(microseconds=time_us)
        return f"day={moment:%Y-%m-%d}" + (f"/hour={moment.hour}" if self._partition == "hour" else "")

    @contextmanager
    def _discarding_parts(self, paths: Sequence[str]) -> Iterator[None]:
        """Remove these unfinished files after an error."""
        try:
            yield
        except BaseException:
            for path in [*paths, STATE]:
                with suppress(OSError):
                    (self.folder / (path + PART)).unlink(missing_ok=True)
            raise

    @contextmanager
    def _part(self, path: str) -> Iterator[IO[bytes]]:
        """Open an unfinished file, which is on the disk afterwards."""
        part = self.folder / (path + PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        for folder in part.parents:  # which may be new
            sync(folder)
            if folder == self.folder:
                break

    def _save(self, state: ArchiveState) -> None:
        part = self.folder / (STATE + PART)
        with part.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / STATE)
        self._state = state

    def _complete(self) -> None:
        """Do what `archive.json` announces: remove the replaced files, and give the others their final names.

        May be repeated after an error.
        """
        state = self._state
        if not state.files:
            return
        sync(self.folder)
        for name in state.replaced:
            (self.folder / name).unlink(missing_ok=True)
            self.merged += self._files.pop(name, None) is not None
        for name in state.files:
            path = self.folder / name
            with suppress(FileNotFoundError):  # it already has its name
                (self.folder / (name + PART)).replace(path)
            with suppress(FileNotFoundError):  # it was deleted to make room
                sync(path.parent)
                self._add(name)
        completed = msgspec.structs.replace(state, files=[], replaced=[])
        if state.replaced:
            self._save(completed)
        self._state = completed

    def _add(self, name: str) -> None:
        status = (self.folder / name).stat()
        self._files[name] = _File(status.st_size, status.st_mtime)

    # -- merging ------------------------------------------------------------------------------------------------
    def _group(self) -> list[str]:
        """Return paths of files to merge, in the order of writing; none if there are none at present."""
        most_bytes = min(MOST_BYTES, self._keep_bytes // OF_LIMIT)
        most_span = MOST_SPAN if self._keep_days is None else min(MOST_SPAN, timedelta(self._keep_days / OF_LIMIT))
        closed = datetime.fromtimestamp(self._now(), UTC) - CLOSED_AFTER
        folders: dict[str, list[str]] = {}
        for path in sorted(self._files):
            folders.setdefault(path.rpartition("/")[0], []).append(path)
        for paths in folders.values():
            if len(paths) < LEAST_FILES or _partition_end(paths[-1]) > closed:
                continue
            group: list[str] = []
            size, schema = 0, None
            for path in paths:
                own = self._files[path].bytes
                small = own < most_bytes // 8 and path not in self._damaged
                found = self._schema(path) if small else None
                full = size + own > most_bytes or len(group) == MOST_FILES
                if group and (found != schema or full or _written(path) - _written(group[0]) > most_span):
                    if len(group) >= LEAST_FILES:
                        return group
                    group, size = [], 0
                if found is not None and (group or _merged_name(path) not in self._files):
                    group.append(path)
                    size, schema = size + own, found
            if len(group) >= LEAST_FILES:
                return group
        return []

    def _schema(self, path: str) -> pa.Schema | None:
        """Return the columns of a file; None if it is damaged."""
        try:
            return pq.read_schema(self.folder / path)
        except (OSError, pa.ArrowException):
            self._leave_out(path)
            return None

    def _write_merged(self, group: Sequence[str], file: IO[bytes]) -> None:
        """Write the rows of these files as one, with a few row groups in memory."""
        most = ROWS.get(_table(group[0]), ROWS_OF_OTHERS)
        held: list[pa.Table] = []
        with pq.ParquetWriter(file, pq.read_schema(self.folder / group[0]), compression="zstd") as writer:
            for path in group:
                held.append(self._read(path))
                rows = sum(table.num_rows for table in held)
                if rows >= most:
                    together = pa.concat_tables(held)
                    whole = rows // most * most
                    writer.write_table(together.slice(0, whole), row_group_size=most)
                    held = [together.slice(whole)]
            writer.write_table(pa.concat_tables(held), row_group_size=most)

    def _read(self, path: str) -> pa.Table:
        try:
            return pq.ParquetFile(self.folder / path, pre_buffer=False).read(use_threads=False)
        except (OSError, pa.ArrowException):
            raise _DamagedFileError(path) from None

    def _leave_out(self, path: str) -> None:
        """Merge this file no more."""
        self._damaged.add(path)
        logger.warning("%s can't be read, so it is not merged", self.folder / path)

    # -- retention ----------------------------------------------------------------------------------------------
    def _retain(self) -> None:
        order = sorted(self._files, key=_name)
        last = {_table(path): path for path in order}
        too_old = 0
        if self._keep_days is not None:
            # If the clock was set back, the names of later files have later times, and their last change counts.
            times = (min(_written(path).timestamp(), self._files[path].modified_s) for path in order)
            limit = self._now() - self._keep_days * 86_400
            too_old = max((number for number, written_s in enumerate(times, 1) if written_s < limit), default=0)
        kept = self.bytes_kept
        for number, name in enumerate(order):
            if number >= too_old and kept <= self._keep_bytes:
                break
            if name == last[_table(name)]:
                continue
            path = self.folder / name
            path.unlink(missing_ok=True)
            kept -= self._files.pop(name).bytes
            self.removed += 1
            for emptied in list(path.parents)[: name.count("/") - 1]:
                with suppress(OSError):  # it is not empty
                    emptied.rmdir()


def _write_rows(rows: pa.Table, file: IO[bytes]) -> None:
    pq.write_table(rows.replace_schema_metadata({SCHEMA_KEY: b""}), file, compression="zstd")


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _table(path: str) -> str:
    return path.partition("/")[0]


def _name_at(written: datetime) -> str:
    """Return the name of a file written at this time; names sort by time of writing."""
    return f"{written:{_NAME_FORMAT}}Z.parquet"


def _written(path: str) -> datetime:
    """Return when a file was written, from its name; for a merged file, just before its first rows were."""
    return datetime.strptime(_name(path).removesuffix("Z.parquet"), _NAME_FORMAT).replace(tzinfo=UTC)


def _merged_name(first: str) -> str:
    """Return the path of a merged file. A reader that knows the old names can't mistake it for one of them."""
    return f"{first.rpartition('/')[0]}/{_name_at(_written(first) - timedelta(microseconds=1))}"


def _partition_end(path: str) -> datetime:
    """Return when the hour or day of a file's rows ends, by the clock of the camera.

    It is at most an hour or day after the file was written.
    """
    found = _FILE.fullmatch(path)
    assert found is not None
    start = datetime.fromisoformat(found["day"]).replace(tzinfo=UTC)
    if found["hour"] is None:
        return min(start, _written(path)) + timedelta(days=1)
    return min(start.replace(hour=int(found["hour"])), _written(path)) + timedelta(hours=1)
