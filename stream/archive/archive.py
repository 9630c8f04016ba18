"""A folder of Parquet files: rows of several tables are added atomically, together with the positions of the topics.

Files are at `TABLE/day=2026-11-25/hour=21/20261125T213000000000Z.parquet`: the partition is the time of the rows, the
name the time of writing, both UTC. Writing has three steps: files with the ending `.part`; then `archive.json`,
replaced by one rename, with the names of these files and the position of each topic; then the files' final names. After
a crash before the second step nothing of the write remains; after a later crash the next start completes it. Readers of
`*.parquet` see whole files only. A lock allows one process per folder. Not thread-safe.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import filelock
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stream.archive.tables import SCHEMAS, Table, batch
from stream.messaging.gaps import Position
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

Partition = Literal["hour", "day"]
STATE, LOCK, PART = "archive.json", "archive.lock", ".part"
EARLIER_STATE = "bridge.json"
"""Name of the state file in archives of version 0.1, when the command was called `bridge`."""
SCHEMA_KEY = b"partstream.archive/1"
_NAME_FORMAT = "%Y%m%dT%H%M%S%f"
_FILE = re.compile(
    rf"(?:{'|'.join(SCHEMAS)})/day=\d{{4}}-\d\d-\d\d(?:/hour=\d\d?)?/(?P<written>\d{{8}}T\d{{12}})Z\.parquet"
)
_US = {"hour": 3_600_000_000, "day": 86_400_000_000}


class ArchiveState(msgspec.Struct, frozen=True):
    """The content of `archive.json`: the position of each topic, and files that may not have their final names yet."""

    positions: list[Position]
    files: list[str]
    version: Literal[1] = 1


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
        self.removed = 0
        """Number of deleted files."""
        self._partition: Partition = partition
        self._keep_bytes = keep_bytes
        self._keep_days = keep_days
        self._least_free = least_free
        self._now = now
        self._files: dict[str, int] = {}  # path in the folder → bytes
        self._unnamed: list[str] = []  # written, but perhaps without their final names
        self._lock = filelock.FileLock(folder / LOCK, blocking=False)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise
        except filelock.Timeout:
            raise ConfigError(f"{folder} is in use by another archive process: stop it, or choose another") from None
        except OSError as error:
            raise ConfigError(f"{folder} can't be used: {error.strerror or error}") from None

    @property
    def bytes_kept(self) -> int:
        """Bytes of all files."""
        return sum(self._files.values())

    def __len__(self) -> int:
        """Number of files."""
        return len(self._files)

    def write(self, tables: Mapping[Table, Sequence[pa.RecordBatch]], positions: Sequence[Position]) -> None:
        """Add rows and set the positions. On OSError nothing has changed."""
        self._name_files()
        free = shutil.disk_usage(self.folder).free
        if free < self._least_free:
            room = f"{free >> 20} MiB are free, but {self._least_free >> 20} MiB must stay free"
            raise DiskSpaceError(errno.ENOSPC, room)
        written: list[str] = []
        try:
            name = self._new_name()
            for table, batches in tables.items():
                for place, rows in self._by_partition(table, batches):
                    path = f"{place}/{name}"
                    written.append(path)
                    self._write_part(path, rows)
            self._save(ArchiveState(list(positions), written))
        except BaseException:
            for path in [*written, STATE]:
                with suppress(OSError):
                    (self.folder / (path + PART)).unlink(missing_ok=True)
            raise
        self.positions, self._unnamed = list(positions), written
        try:
            self._name_files()
            self._retain()
        except OSError as error:  # the rows are safe; the next write completes this
            logger.warning("archive %s: %s", self.folder, error.strerror or error)

    def close(self) -> None:
        """Release the lock. May be called again."""
        self._lock.release()

    # -- opening ------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        state = self._read_state()
        self.positions, self._unnamed = state.positions, state.files
        self._name_files()
        for path, name in self._own_files():
            if name.endswith(PART):
                path.unlink()
            else:
                self._files[name] = path.stat().st_size
        absent: list[Table] = [table for table in SCHEMAS if not any(name.startswith(table) for name in self._files)]
        # A file without rows, so that queries find every table and its columns from the beginning.
        day, hour = self._place(int(self._now() * 1e6))
        for table in absent:
            path = f"{table}/{day}{hour}/{self._new_name()}"
            self._write_part(path, pa.Table.from_batches([batch(table, [])]))
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
                if _is_own_name(name.removesuffix(PART)) and path.is_file() and not path.is_symlink():
                    yield path, name

    # -- writing ------------------------------------------------------------------------------------------------
    def _new_name(self) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        written = datetime.fromtimestamp(self._now(), UTC)
        if self._files:
            newest = _written(max(self._files, key=_own_name))
            written = max(written, newest + timedelta(microseconds=1))
        return f"{written:{_NAME_FORMAT}}Z.parquet"

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

    def _write_part(self, path: str, rows: pa.Table) -> None:
        part = self.folder / (path + PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            pq.write_table(rows.replace_schema_metadata({SCHEMA_KEY: b""}), file, compression="zstd")
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
        """Give written files their final names, once `archive.json` is on disk. May be repeated after an error."""
        if self._unnamed:
            _sync_folder(self.folder)
        while self._unnamed:
            name = self._unnamed[-1]
            path = self.folder / name
            if not _is_own_name(name):
                raise ConfigError(f"{self.folder / STATE} names {name!r}, which is not a file of an archive")
            with suppress(FileNotFoundError):  # it already has its name
                (self.folder / (name + PART)).replace(path)
                _sync_folder(path.parent)
            with suppress(FileNotFoundError):  # it was deleted to make room
                self._files[name] = path.stat().st_size
            self._unnamed.pop()

    # -- retention ----------------------------------------------------------------------------------------------
    def _retain(self) -> None:
        kept = self.bytes_kept
        oldest_first = sorted(self._files, key=_own_name)
        last = {name.partition("/")[0]: name for name in oldest_first}
        for name in oldest_first:
            age_s = self._now() - _written(name).timestamp()
            too_old = self._keep_days is not None and age_s > self._keep_days * 86_400
            if not too_old and kept <= self._keep_bytes:
                break
            if name in last.values():
                continue
            path = self.folder / name
            path.unlink(missing_ok=True)
            kept -= self._files.pop(name)
            self.removed += 1
            for emptied in list(path.parents)[: name.count("/") - 1]:
                with suppress(OSError):  # it is not empty
                    emptied.rmdir()


def _is_own_name(path: str) -> bool:
    """Return whether a path in the folder is that of a file of an archive, with a time of writing that exists."""
    if not _FILE.fullmatch(path):
        return False
    try:
        _written(path)
    except ValueError:
        return False
    return True


def _own_name(path: str) -> str:
    """Return a file's name without folders; the names sort by time of writing."""
    return path.rpartition("/")[2]


def _written(path: str) -> datetime:
    """Return when a file was written, from its name."""
    return datetime.strptime(_own_name(path).removesuffix("Z.parquet"), _NAME_FORMAT).replace(tzinfo=UTC)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
