"""What is deleted of kept incidents: pictures beyond the budget, and everything that is too old, also messages."""

from __future__ import annotations

import sqlite3
import time

from stream.incidents import kept_messages
from stream.incidents.picture_files import PictureFiles

MOST_INCIDENTS = 200_000
"""Maximum number of incidents without a verdict, about 100 MB, whatever their age."""
MOST_JUDGED = 200_000
"""Maximum number of incidents with a verdict, about 100 MB. What training learns from them is not kept here."""
AT_ONCE = 200
"""Rows that one transaction deletes at most, so that new incidents do not wait for long."""

_OLDEST_PICTURES = "SELECT rowid, file, bytes FROM pictures WHERE bytes IS NOT NULL ORDER BY kept_us LIMIT ?"
_PICTURE_GONE = "UPDATE pictures SET bytes = NULL, result = NULL WHERE rowid = ?"
_OLD_PICTURES = (
    "SELECT rowid, file, bytes FROM pictures WHERE kept_us < ? AND bytes IS NOT NULL ORDER BY kept_us LIMIT ?"
)
_OLD_AND_GONE = (
    "SELECT p.kept_us, p.rowid, EXISTS (SELECT 1 FROM incidents i WHERE i.camera = p.camera AND i.run = p.run "
    "AND i.epoch = p.epoch AND i.frame = p.frame AND i.verdict IS NOT NULL) FROM pictures p "
    "WHERE (p.kept_us, p.rowid) > (?, ?) AND p.kept_us < ? AND p.bytes IS NULL ORDER BY p.kept_us, p.rowid LIMIT ?"
)
"""An incident with a verdict stays, and so does the row that says that its picture was deleted."""
_DELETE_PICTURE = "DELETE FROM pictures WHERE rowid = ?"
_OLD_INCIDENTS = "SELECT rowid, id FROM incidents WHERE kept_us < ? AND verdict IS NULL ORDER BY kept_us LIMIT ?"
_FIRST_INCIDENTS = "SELECT rowid, id FROM incidents WHERE verdict IS NULL ORDER BY kept_us LIMIT ?"
_FIRST_JUDGED = "SELECT rowid, id FROM incidents WHERE +verdict IS NOT NULL ORDER BY rowid LIMIT ?"
"""The `+` keeps SQLite from sorting all of an index: these are at the begin of the table."""
_COUNT = "SELECT count(*) FROM incidents WHERE verdict IS NULL"
_COUNT_JUDGED = "SELECT count(*) FROM incidents WHERE verdict IS NOT NULL"
_DELETED = "INSERT INTO deleted VALUES(?, ?) ON CONFLICT(prefix) DO UPDATE SET highest = max(highest, excluded.highest)"


class Retention:
    """Deletes, in steps, what is too much or too old."""

    def __init__(self, files: PictureFiles) -> None:
        self._files = files
        self._swept = (-1, -1)
        """Up to which time, and row of it, the rows of old deleted pictures were looked at."""

    def look_again(self) -> None:
        """Look at all rows again: another database is used, or changes were taken back."""
        self._swept = (-1, -1)

    def free_bytes(self, database: sqlite3.Connection, bytes_kept: int, budget: int) -> int:
        """Delete the oldest pictures until they fit into `budget` bytes, at most `AT_ONCE`.

        Return the bytes of what was deleted.
        """
        freed = 0
        if bytes_kept > budget:
            for row, file, size in database.execute(_OLDEST_PICTURES, (AT_ONCE,)).fetchall():
                if bytes_kept - freed <= budget:
                    break
                self._files.delete(file)
                database.execute(_PICTURE_GONE, (row,))
                freed += size
        return freed

    def delete_old(self, database: sqlite3.Connection, before_us: int) -> tuple[int, bool]:
        """Delete incidents and pictures that were kept before this time, at most `AT_ONCE` of each, and incidents
        beyond the maximum numbers. Those with a verdict stay whatever their age, without their pictures.

        Return the bytes of the deleted pictures, and whether there may be more to delete.
        """
        freed = 0
        pictures = database.execute(_OLD_PICTURES, (before_us, AT_ONCE)).fetchall()
        for row, file, size in pictures:
            self._files.delete(file)
            freed += size
            database.execute(_PICTURE_GONE, (row,))
        more = len(pictures) == AT_ONCE
        more |= self._delete_incidents(database, before_us)
        more |= kept_messages.delete_old(database, max(before_us, time.time_ns() // 1000 - kept_messages.KEPT_US))
        return freed, more or self._forget_pictures(database, before_us)

    def _delete_incidents(self, database: sqlite3.Connection, before_us: int) -> bool:
        old = database.execute(_OLD_INCIDENTS, (before_us, AT_ONCE)).fetchall()
        (count,) = database.execute(_COUNT).fetchone()
        if count - len(old) > MOST_INCIDENTS:
            old = database.execute(_FIRST_INCIDENTS, (min(AT_ONCE, count - MOST_INCIDENTS),)).fetchall()
        (judged,) = database.execute(_COUNT_JUDGED).fetchone()
        if judged > MOST_JUDGED:
            old += database.execute(_FIRST_JUDGED, (min(AT_ONCE, judged - MOST_JUDGED),)).fetchall()
        for row, name in old:
            prefix, _, number = name.rpartition("-")
            database.execute("DELETE FROM incidents WHERE rowid = ?", (row,))
            database.execute(_DELETED, (prefix, int(number) if number.isdigit() else 0))
        return len(old) >= AT_ONCE

    def _forget_pictures(self, database: sqlite3.Connection, before_us: int) -> bool:
        """Delete the rows of pictures that were deleted, once their incidents are. Each row is looked at once."""
        rows = database.execute(_OLD_AND_GONE, (*self._swept, before_us, AT_ONCE)).fetchall()
        for kept_us, row, judged in rows:
            self._swept = (kept_us, row)
            if not judged:
                database.execute(_DELETE_PICTURE, (row,))
        return len(rows) == AT_ONCE


def adopt(database: sqlite3.Connection, files: PictureFiles) -> int:
    """Let files and database agree: a crash, or a damaged database, may have left files that it does not know.

    Return the bytes of all pictures.
    """
    known = dict(database.execute("SELECT file, rowid FROM pictures WHERE bytes IS NOT NULL").fetchall())
    database.execute("BEGIN IMMEDIATE")
    try:
        for key, name, size, kept_us in sorted(files.scan(), key=lambda found: found[3]):
            if known.pop(name, None) is None:
                row = (*key, name, size, kept_us)
                database.execute("INSERT OR REPLACE INTO pictures VALUES(?, ?, ?, ?, ?, ?, ?, NULL)", row)
        for missing in known.values():
            database.execute(_PICTURE_GONE, (missing,))
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    (kept,) = database.execute("SELECT coalesce(sum(bytes), 0) FROM pictures WHERE bytes IS NOT NULL").fetchone()
    return kept
