"""The files of an archive: their names, and a list of them that is kept in order."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TypeVar

from stream.archive.tables import SCHEMAS

PART = ".part"
_NAME_FORMAT = "%Y%m%dT%H%M%S%f"
_FILE = re.compile(
    rf"(?:{'|'.join(SCHEMAS)})/day=(?P<day>\d{{4}}-\d\d-\d\d)(?:/hour=(?P<hour>\d\d?))?"
    r"/(?P<written>\d{8}T\d{12})Z\.parquet"
)

Item = TypeVar("Item", str, tuple[str, str])


def name_of(written: datetime) -> str:
    """Return the name of a file written at this time; names sort by time of writing."""
    return f"{written:{_NAME_FORMAT}}Z.parquet"


def is_own_name(path: str) -> bool:
    """Return whether a path in the folder is that of a file of an archive, with a time of writing that exists."""
    if not _FILE.fullmatch(path):
        return False
    try:
        written(path)
    except ValueError:
        return False
    return True


def written(path: str) -> datetime:
    """Return when a file was written, from its name; for a merged file, just before its first rows were."""
    return datetime.strptime(_name(path).removesuffix("Z.parquet"), _NAME_FORMAT).replace(tzinfo=UTC)


def partition_end(path: str) -> datetime | None:
    """Return when the hour or day of a file's rows ends. None if the folder's name has no such time.

    It is by the clock of the camera, and at most an hour or day after the file was written.
    """
    found = _FILE.fullmatch(path)
    if found is None:
        return None
    try:
        day = datetime.fromisoformat(found["day"]).replace(tzinfo=UTC)
        if found["hour"] is None:
            return min(day, written(path)) + timedelta(days=1)
        return min(day.replace(hour=int(found["hour"])), written(path)) + timedelta(hours=1)
    except (ValueError, OverflowError):
        return None


class ArchiveFiles:
    """The archive's files and their sizes, each table and each folder in the order of writing."""

    def __init__(self) -> None:
        self.bytes = 0
        """Bytes of all files."""
        self.changed: set[str] = set()
        """Folders to which files were added. The user removes them from the set."""
        self._bytes: dict[str, int] = {}
        self._modified_s: dict[str, float] = {}
        self._tables: dict[str, list[tuple[str, str]]] = {}  # (name, path), sorted
        self._folders: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._bytes)

    def __contains__(self, path: str) -> bool:
        return path in self._bytes

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        return self._bytes[path]

    def add(self, path: str, size: int, modified_s: float) -> None:
        """Add a file, or set its size and the time of its last change, in seconds since 1970."""
        self.bytes += size - self._bytes.get(path, 0)
        if path not in self._bytes:
            folder, table = _folder(path), _table(path)
            insort(self._tables.setdefault(table, []), (_name(path), path))
            insort(self._folders.setdefault(folder, []), path)
            self.changed.add(folder)
        self._bytes[path] = size
        self._modified_s[path] = modified_s

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.bytes -= self._bytes.pop(path)
        del self._modified_s[path]
        folder, table = _folder(path), _table(path)
        _remove(self._tables, table, (_name(path), path))
        _remove(self._folders, folder, path)

    def newest(self) -> str | None:
        """Return the path of the file written last."""
        return max((items[-1] for items in self._tables.values()), default=(None, None))[1]

    def written_before(self, time_s: float, now_s: float) -> int:
        """Return how many of the oldest files were written before this time.

        If the clock was set back, the names of later files have times after `now_s`, and their last change counts.
        """
        newest = self.newest()
        if newest is None or written(newest).timestamp() <= now_s:
            return sum(1 for _ in takewhile(lambda path: written(path).timestamp() < time_s, self.oldest_first()))
        times = [min(written(path).timestamp(), self._modified_s[path]) for path in self.oldest_first()]
        return max((number for number, time in enumerate(times, 1) if time < time_s), default=0)

    def last_of_tables(self) -> set[str]:
        """Return the path of each table's last file."""
        return {items[-1][1] for items in self._tables.values()}

    def oldest_first(self) -> Iterator[str]:
        """Yield all paths. Do not change the list meanwhile."""
        return (path for _, path in heapq.merge(*self._tables.values()))

    def in_folder(self, folder: str) -> Sequence[str]:
        """Return the paths of the files in a folder, in the order of writing."""
        return self._folders.get(folder, ())

    def tables(self) -> set[str]:
        """Return the names of the tables that have files."""
        return set(self._tables)


def _remove(lists: dict[str, list[Item]], key: str, item: Item) -> None:
    items = lists[key]
    del items[bisect_left(items, item)]
    if not items:
        del lists[key]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _table(path: str) -> str:
    return path.partition("/")[0]
