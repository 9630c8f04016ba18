"""Files that only their owner may read, written atomically: readers find the whole file or none."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write the file, replacing an existing one. Blocks until it is on disk; on OSError the old file stays."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    _write(temporary, text)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def create(path: Path, text: str) -> None:
    """Write a new file, as `replace` does. Raises FileExistsError if there is one, which stays unchanged."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    _write(temporary, text)
    try:
        os.link(temporary, path)  # a rename would replace an existing file
    finally:
        temporary.unlink()
    _sync_folder(path.parent)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
