"""What is deleted of kept incidents: pictures beyond the budget, and everything that is too old."""

from __future__ import annotations

import sqlite3

from stream.incidents.picture_files import PictureFiles

MOST_INCIDENTS = 200_000
"""Maximum number of incidents, about 100 MB, whatever their age."""
AT_ONCE = 200
"""Rows that one transaction deletes at most, so that new incidents do not wait for long."""

_OLDEST_PICTURES = "SELECT rowid, file, bytes FROM pictures WHERE bytes IS NOT NULL ORDER BY rowid LIMIT ?"
_PICTURE_GONE = "UPDATE pictures SET bytes = NULL, result = NULL WHERE rowid = ?"
_OLD_PICTURES = "SELECT rowid, file, bytes FROM pictures WHERE kept_us < ? AND bytes IS NOT NULL ORDER BY rowid LIMIT ?"
_OLD_AND_GONE = (
    "DELETE FROM pictures WHERE rowid IN (SELECT p.rowid FROM pictures p WHERE p.kept_us < ? AND p.bytes IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.camera = p.camera AND i.run = p.run AND i.epoch = p.epoch "
    "AND i.frame = p.frame) LIMIT ?)"
)
"""An incident with a verdict stays, and so does the row that says that its picture was deleted."""
_OLD_INCIDENTS = "SELECT rowid, id FROM incidents WHERE kept_us < ? AND verdict IS NULL ORDER BY rowid LIMIT ?"
_FIRST_INCIDENTS = "SELECT rowid, id FROM incidents WHERE verdict IS NULL ORDER BY rowid LIMIT ?"
_DELETED = "INSERT INTO deleted VALUES(?, ?) ON CONFLICT(prefix) DO UPDATE SET highest = max(highest, excluded.highest)"


def free_bytes(database: sqlite3.Connection, files: PictureFiles, bytes_kept: int, budget: int) -> int:
    """Delete the oldest pictures until they fit, at most `AT_ONCE`. Return the bytes of what was deleted."""
    freed = 0
    if bytes_kept > budget:
        for row, file, size in database.execute(_OLDEST_PICTURES, (AT_ONCE,)).fetchall():
            if bytes_kept - freed <= budget:
                break
            files.delete(file)
            database.execute(_PICTURE_GONE, (row,))
            freed += size
    return freed


def delete_old(database: sqlite3.Connection, files: PictureFiles, before_us: int) -> int:
    """Delete incidents and pictures that were kept before this time, at most `AT_ONCE` of each, and incidents beyond
    the maximum number. Those with a verdict stay, without their pictures. Return the bytes of the deleted pictures."""
    freed = 0
    for row, file, size in database.execute(_OLD_PICTURES, (before_us, AT_ONCE)).fetchall():
        files.delete(file)
        freed += size
        database.execute(_PICTURE_GONE, (row,))
    old = database.execute(_OLD_INCIDENTS, (before_us, AT_ONCE)).fetchall()
    (count,) = database.execute("SELECT count(*) FROM incidents").fetchone()
    if count - len(old) > MOST_INCIDENTS:
        old = database.execute(_FIRST_INCIDENTS, (min(AT_ONCE, count - MOST_INCIDENTS),)).fetchall()
    for row, name in old:
        prefix, _, number = name.rpartition("-")
        database.execute("DELETE FROM incidents WHERE rowid = ?", (row,))
        database.execute(_DELETED, (prefix, int(number) if number.isdigit() else 0))
    database.execute(_OLD_AND_GONE, (before_us, AT_ONCE))
    return freed


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
    (kept,) = database.execute("SELECT coalesce(sum(bytes), 0) FROM pictures").fetchone()
    return kept
