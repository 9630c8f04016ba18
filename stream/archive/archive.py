"""Archive: a folder of Parquet files that several tables' rows are added to, all or none, and its positions with them.

Files are at `TABLE/day=2026-11-25/hour=21/20261125T213000000000Z.parquet`: the partition is the rows' time, the name
the time of writing, both UTC. What is written goes through three steps: files under another ending; then
`archive.json`, in one rename, with the names of these files and how far each topic is in them; then the files' own
names. A crash before the second step leaves nothing of it, one after it is made up for at the next start. A reader who
looks for `*.parquet` sees whole files only. Lives as long as its archiver, one a folder, held by a lock. Not safe for
several threads.
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
from stream.settings.section import ConfigError

logger = logging.getLogger(__name__)

Partition = Literal["hour", "day"]
STATE, LOCK, PART = "archive.json", "archive.lock", ".part"
EARLIER_STATE = "bridge.json"
"""The name of the state file when the command was called `bridge`."""
SCHEMA_KEY = b"partstream.archive/1"
_NAME_FORMAT = "%Y%m%dT%H%M%S%f"
_FILE = re.compile(
    rf"(?:{'|'.join(SCHEMAS)})/day=\d{{4}}-\d\d-\d\d(?:/hour=\d\d?)?/(?P<written>\d{{8}}T\d{{12}})Z\.parquet"
)
_US = {"hour": 3_600_000_000, "day": 86_400_000_000}


class State(msgspec.Struct, frozen=True):
    """What `archive.json` says: how far each topic is in the archive, and files that may still want their names."""

    positions: list[Position]
    files: list[str]
    version: Literal[1] = 1


class NoRoomError(OSError):
    """Nothing is written: less is free on the disk than is to stay free."""


class Archive:
    """The archive in `folder`, which is made where it isn't there.

    The oldest files go when all have more than `keep_bytes` or were written more than `keep_days` ago; a table's last
    file stays. `least_free` bytes of the disk are left to others.

    Raises `ConfigError` where the folder can't be used, or another process uses it.
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
        """How far each topic is in the archive."""
        self.removed = 0
        """Files that went to make room, or were too old."""
        self._partition: Partition = partition
        self._keep_bytes = keep_bytes
        self._keep_days = keep_days
        self._least_free = least_free
        self._now = now
        self._files: dict[str, int] = {}  # path in the folder → bytes
        self._unnamed: list[str] = []
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
        """Files kept."""
        return len(self._files)

    def write(self, tables: Mapping[Table, Sequence[pa.RecordBatch]], positions: Sequence[Position]) -> None:
        """Add rows, and from now on be at `positions`. Raises OSError with nothing changed where that can't be."""
        self._name_files()
        free = shutil.disk_usage(self.folder).free
        if free < self._least_free:
            room = f"{free >> 20} MiB are free, {self._least_free >> 20} MiB are to stay free"
            raise NoRoomError(errno.ENOSPC, room)
        written: list[str] = []
        try:
            name = self._new_name()
            for table, batches in tables.items():
                for place, rows in self._filed(table, batches):
                    path = f"{place}/{name}"
                    written.append(path)
                    self._write_part(path, rows)
            self._save(State(list(positions), written))
        except BaseException:
            for path in [*written, STATE]:
                with suppress(OSError):
                    (self.folder / (path + PART)).unlink(missing_ok=True)
            raise
        self.positions, self._unnamed = list(positions), written
        try:
            self._name_files()
            self._retain()
        except OSError as error:  # what was written is safe; this is done with the next
            logger.warning("archive %s: %s", self.folder, error.strerror or error)

    def close(self) -> None:
        """Let others write; may be called again."""
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
        # One without rows, so that queries find every table, and its columns, from the beginning.
        day, hour = self._place(int(self._now() * 1e6))
        for table in absent:
            path = f"{table}/{day}{hour}/{self._new_name()}"
            self._write_part(path, pa.Table.from_batches([batch(table, [])]))
            self._unnamed = [path]
            self._name_files()
        self._retain()

    def _read_state(self) -> State:
        path = self.folder / STATE
        if not path.exists() and (earlier := self.folder / EARLIER_STATE).exists():
            earlier.rename(path)
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return State([], [])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} is damaged ({error}): move it away to go on without knowing what is there already"
            ) from None

    def _own_files(self) -> Iterator[tuple[Path, str]]:
        """Files that are called as this class calls them, also unfinished ones. Others are never touched."""
        for table in SCHEMAS:
            for path in (self.folder / table).rglob("*"):
                name = path.relative_to(self.folder).as_posix()
                if _FILE.fullmatch(name.removesuffix(PART)) and path.is_file() and not path.is_symlink():
                    yield path, name

    # -- writing ------------------------------------------------------------------------------------------------
    def _new_name(self) -> str:
        """After every other, also where the clock was set back."""
        written = datetime.fromtimestamp(self._now(), UTC)
        if self._files:
            newest = _written(max(self._files, key=_own_name))
            written = max(written, newest + timedelta(microseconds=1))
        return f"{written:{_NAME_FORMAT}}Z.parquet"

    def _filed(self, table: Table, batches: Sequence[pa.RecordBatch]) -> Iterator[tuple[str, pa.Table]]:
        """The rows by the folder that they belong into."""
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
        for folder in part.parents:  # they may be new
            _sync_folder(folder)
            if folder == self.folder:
                break

    def _save(self, state: State) -> None:
        part = self.folder / (STATE + PART)
        with part.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / STATE)

    def _name_files(self) -> None:
        """Give what was written its names, once it is sure that `archive.json` says so. May be tried again."""
        if self._unnamed:
            _sync_folder(self.folder)
        while self._unnamed:
            name = self._unnamed[-1]
            path = self.folder / name
            if not _FILE.fullmatch(name):
                raise ConfigError(f"{self.folder / STATE} names {name!r}, which is not a file of an archive")
            with suppress(FileNotFoundError):  # it has its name already
                (self.folder / (name + PART)).replace(path)
                _sync_folder(path.parent)
            with suppress(FileNotFoundError):  # it went to make room
                self._files[name] = path.stat().st_size
            self._unnamed.pop()

    # -- making room --------------------------------------------------------------------------------------------
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
                with suppress(OSError):  # others' files are in it
                    emptied.rmdir()


def _own_name(path: str) -> str:
    """A file's name without its folders: in the order of these, files were written."""
    return path.rpartition("/")[2]


def _written(path: str) -> datetime:
    """When a file was written, as its name says."""
    return datetime.strptime(_own_name(path).removesuffix("Z.parquet"), _NAME_FORMAT).replace(tzinfo=UTC)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
