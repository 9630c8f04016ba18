"""A folder of Parquet files: rows of several tables are added atomically, together with the positions of the topics.

Files are at `TABLE/day=2026-11-25/hour=21/20261125T213000000000Z.parquet`: the partition is the time of the rows, the
name the time of writing, both UTC. Writing has three steps: files with the ending `.part`; then `archive.json`,
replaced by one rename, with the names of these files and the position of each topic; then the files' final names. After
a crash before the second step nothing of the write remains; after a later crash the next start completes it. Readers of
`*.parquet` see whole files only. A lock allows one process per folder. Not thread-safe.

Merging small files has the same steps. Here `archive.json` also names the files that the merged one replaces, and these
are removed before the merged file gets its final name. A reader thus never sees a row twice, and a name never stands
for other rows. A reader that listed the files before finds that one is missing, and one that lists them in the
millisecond between misses the group's rows. Until the merge is complete, `archive.json` has version 2: earlier
versions of this module would leave the replaced files in place, and reject it instead.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stream import file_lock
from stream.archive.files import PART, ArchiveFiles, is_own_name, name_of, written
from stream.archive.merging import DamagedFileError, SmallFiles
from stream.archive.tables import SCHEMAS, Table, batch
from stream.messaging.gaps import Hole, Position
from stream.settings.config_error import ConfigError
from stream.settings.files.free_space import too_little

logger = logging.getLogger(__name__)

Partition = Literal["hour", "day"]
STATE, LOCK = "archive.json", "archive.lock"
EARLIER_STATE = "bridge.json"
"""Name of the state file in archives of version 0.1, when the command was called `bridge`."""
SCHEMA_KEY = b"partstream.archive/1"
_US = {"hour": 3_600_000_000, "day": 86_400_000_000}


class ArchiveState(msgspec.Struct, frozen=True):
    """The content of `archive.json`: the position of each topic, and files that may not have their final names yet.

    `replaced`: the files whose rows are in `files` as well; version 2 if there are any. `holes` are still to be
    requested; as long as no process does so, they are gaps in the files `provisional`.
    """

    positions: list[Position]
    files: list[str]
    version: Literal[1, 2] = 1
    replaced: list[str] = []
    holes: list[Hole] = []
    provisional: list[str] = []


class DiskSpaceError(OSError):
    """Nothing was written, because the disk has less free space than configured."""


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
        self.positions: list[Position] = []
        """The position of each topic in the archive."""
        self.holes: list[Hole] = []
        """What is before these positions, but not in the archive, and still to be requested."""
        self.removed = 0
        """Number of files deleted as the oldest."""
        self.merged = 0
        """Number of files whose rows were merged into others."""
        self._partition: Partition = partition
        self._keep_bytes = keep_bytes
        self._keep_days = keep_days
        self._least_free = least_free
        self._now = now
        self._files = ArchiveFiles()
        self._small = SmallFiles(folder, self._files, keep_bytes, keep_days)
        self._unnamed: list[str] = []  # written, but perhaps without their final names
        self._replaced: list[str] = []  # in `_unnamed` as well, but perhaps not yet removed
        self._provisional: list[str] = []
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
    def bytes_kept(self) -> int:
        """Bytes of all files."""
        return self._files.bytes

    def __len__(self) -> int:
        """Number of files."""
        return len(self._files)

    def write(
        self,
        tables: Mapping[Table, Sequence[pa.RecordBatch]],
        positions: Sequence[Position],
        holes: Sequence[Hole] = (),
        provisional: Sequence[pa.RecordBatch] = (),
    ) -> None:
        """Add rows and set the positions and holes. On OSError nothing has changed.

        `provisional`: the holes as rows of `gaps`, which are removed when the archive is opened again.
        """
        self._name_files()
        free = shutil.disk_usage(self.folder).free
        if free < self._least_free:
            room = too_little(free, "--least-free", self._least_free)
            raise DiskSpaceError(errno.ENOSPC, f"{room}, which must stay free")
        paths: list[str] = []
        with self._discarding_parts(paths):
            name = self._new_name()
            for table, batches in tables.items():
                self._write_parts(table, batches, name, paths)
            kept = len(paths)
            self._write_parts("gaps", provisional, name_of(written(name) + timedelta(microseconds=1)), paths)
            self._save(ArchiveState(list(positions), paths, holes=list(holes), provisional=paths[kept:]))
        self.positions, self.holes, self._unnamed, self._provisional = list(positions), list(holes), paths, paths[kept:]
        try:
            self._name_files()
            self._retain()
        except OSError as error:  # the rows are safe; the next write completes this
            logger.warning("archive %s: %s", self.folder, error.strerror or error)

    def merge(self) -> bool:
        """Merge one group of small files. Return false if there is none, or merging fails, which is logged."""
        try:
            self._name_files()
            group = self._small.group(self._now())
            needed = sum(self._files.size(path) for path in group)
            if not group or shutil.disk_usage(self.folder).free - needed < self._least_free:
                return False
            self._merge(group)
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
        state = self._read_state()
        self.positions, self._unnamed, self._replaced = state.positions, state.files, state.replaced
        self.holes, self._provisional = state.holes, state.provisional
        self._name_files()
        if self._provisional:
            self._remove_provisional()
        for path, name in self._own_files():
            if name.endswith(PART):
                path.unlink()
            else:
                self._add(name)
        absent: list[Table] = [table for table in SCHEMAS if table not in self._files.tables()]
        # A file without rows, so that queries find every table and its columns from the beginning.
        day, hour = self._place(int(self._now() * 1e6))
        for table in absent:
            path = f"{table}/{day}{hour}/{self._new_name()}"
            with self._part(path) as file:
                _write_rows(pa.Table.from_batches([batch(table, [])]), file)
            self._unnamed = [path]
            self._name_files()
        self._retain()

    def _read_state(self) -> ArchiveState:
        path = self.folder / STATE
        if not path.exists() and (earlier := self.folder / EARLIER_STATE).exists():
            earlier.rename(path)
        try:
            return msgspec.json.decode(path.read_bytes(), type=ArchiveState)
        except FileNotFoundError:
            return ArchiveState([], [])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} is damaged ({error}): move it away to continue without the positions of the archive"
            ) from None

    def _own_files(self) -> Iterator[tuple[Path, str]]:
        """Yield the archive's files, including unfinished ones. Other files are never touched."""
        for table in SCHEMAS:
            for path in (self.folder / table).rglob("*"):
                name = path.relative_to(self.folder).as_posix()
                if is_own_name(name.removesuffix(PART)) and path.is_file() and not path.is_symlink():
                    yield path, name

    # -- writing ------------------------------------------------------------------------------------------------
    def _new_name(self) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        now = datetime.fromtimestamp(self._now(), UTC)
        newest = self._files.newest()
        return name_of(now if newest is None else max(now, written(newest) + timedelta(microseconds=1)))

    def _write_parts(self, table: Table, batches: Sequence[pa.RecordBatch], name: str, paths: list[str]) -> None:
        """Write an unfinished file with this name for each partition, and add their paths."""
        for place, rows in self._by_partition(table, batches):
            path = f"{place}/{name}"
            paths.append(path)
            with self._part(path) as file:
                _write_rows(rows, file)

    def _by_partition(self, table: Table, batches: Sequence[pa.RecordBatch]) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of each partition with its folder."""
        rows = pa.Table.from_batches(batches, SCHEMAS[table])
        if not rows.num_rows:
            return
        units = rows.column(0).cast(pa.int64()).to_numpy() // _US[self._partition]
        for unit in np.unique(units):
            day, hour = self._place(int(unit) * _US[self._partition])
            yield f"{table}/{day}{hour}", rows.filter(pa.array(units == unit))

    def _place(self, time_us: int) -> tuple[str, str]:
        moment = datetime(1970, 1, 1) + timedelta(microseconds=time_us)
        return f"day={moment:%Y-%m-%d}", f"/hour={moment.hour}" if self._partition == "hour" else ""

    def _merge(self, group: list[str]) -> None:
        path = self._small.merged_name(group)
        assert path is not None
        try:
            with self._discarding_parts([path]):
                with self._part(path) as file:
                    self._small.write(group, file)
                self._save(ArchiveState(self.positions, [path], 2, group, self.holes, self._provisional))
        except DamagedFileError as error:
            self._small.leave_out(error)
            return
        self._unnamed, self._replaced = [path], group
        self._name_files()

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
            _sync_folder(folder)
            if folder == self.folder:
                break

    def _save(self, state: ArchiveState) -> None:
        part = self.folder / (STATE + PART)
        with part.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / STATE)

    def _name_files(self) -> None:
        """Give written files their final names, once `archive.json` is on disk. May be repeated after an error.

        Files that they replace are removed first.
        """
        for name in (*self._unnamed, *self._replaced):
            if not is_own_name(name):
                raise ConfigError(f"{self.folder / STATE} names {name!r}, which is not a file of an archive")
        if self._unnamed:
            _sync_folder(self.folder)
        if self._replaced:
            self._remove_replaced()
        while self._unnamed:
            name = self._unnamed[-1]
            path = self.folder / name
            with suppress(FileNotFoundError):  # it already has its name
                (self.folder / (name + PART)).replace(path)
            with suppress(FileNotFoundError):  # it was deleted to make room
                _sync_folder(path.parent)
                self._add(name)
            self._unnamed.pop()
        if self._replaced:
            self._save(ArchiveState(self.positions, [], holes=self.holes, provisional=self._provisional))
            self._replaced = []

    def _add(self, name: str) -> None:
        status = (self.folder / name).stat()
        self._files.add(name, status.st_size, status.st_mtime)

    def _remove_provisional(self) -> None:
        """Remove the files of holes that are requested now, and then their names, which may be used again."""
        for name in self._provisional:
            if not is_own_name(name):
                raise ConfigError(f"{self.folder / STATE} names {name!r}, which is not a file of an archive")
            (self.folder / name).unlink(missing_ok=True)
            if name in self._files:
                self._files.remove(name)
        self._save(ArchiveState(self.positions, [], holes=self.holes))
        self._provisional = []

    def _remove_replaced(self) -> None:
        if not any((self.folder / (name + ending)).exists() for name in self._unnamed for ending in (PART, "")):
            return  # its rows are only in the files that it would replace
        for name in self._replaced:
            (self.folder / name).unlink(missing_ok=True)
            if name in self._files:
                self._files.remove(name)
                self.merged += 1

    # -- retention ----------------------------------------------------------------------------------------------
    def _retain(self) -> None:
        kept, now = self.bytes_kept, self._now()
        too_old = 0 if self._keep_days is None else self._files.written_before(now - self._keep_days * 86_400, now)
        last: set[str] = set()
        removed: list[str] = []
        for number, name in enumerate(self._files.oldest_first()):
            if number >= too_old and kept <= self._keep_bytes:
                break
            last = last or self._files.last_of_tables()
            if name not in last:
                removed.append(name)
                kept -= self._files.size(name)
        for name in removed:
            path = self.folder / name
            path.unlink(missing_ok=True)
            self._files.remove(name)
            self.removed += 1
            for emptied in list(path.parents)[: name.count("/") - 1]:
                with suppress(OSError):  # it is not empty
                    emptied.rmdir()


def _write_rows(rows: pa.Table, file: IO[bytes]) -> None:
    pq.write_table(rows.replace_schema_metadata({SCHEMA_KEY: b""}), file, compression="zstd")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
