"""The log file of a process that writes to it without knowing that it is rotated."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MOST_BYTES = 16 << 20
KEPT = 3
"""Older files, which are named `.1` (the newest) and so on."""


def rotate(path: Path, most_bytes: int = MOST_BYTES, kept: int = KEPT) -> bool:
    """Begin the file again if it is longer than `most_bytes`, and keep a copy. Returns whether it was.

    The process has the file open for appending and goes on at its new end. What it writes between copying and
    truncating is lost. Raises `OSError`; the file then stays.
    """
    try:
        if path.stat().st_size <= most_bytes:
            return False
    except FileNotFoundError:
        return False
    for number in range(kept - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    newest = path.with_name(f"{path.name}.1")
    descriptor = os.open(newest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as copy, path.open("rb") as log:
        shutil.copyfileobj(log, copy)
    os.truncate(path, 0)
    return True
